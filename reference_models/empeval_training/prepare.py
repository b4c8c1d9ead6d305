"""``empeval train prepare-ed``: labelled training examples from EmpatheticDialogues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from empeval import DataError, UsageError, rows_fingerprint
from empeval.auditing.rated import Part
from empeval.files import write_bytes
from empeval_training.bundled_labels import KeptLabels
from empeval_training.data import RATED, Prepared, make_folder, write_json
from empeval_training.examples import SPLITS, Example, add_variants, human_examples
from empeval_training.people_labels import people_examples, people_variants
from empeval_training.progress import say
from empeval_training.scales import of_label
from empeval_training.teacher.data import read_rated_sets
from empeval_training.teacher.labelling import MEASURED, Labeller, label_examples
from empeval_training.teacher.training import conversations

LICENSES = {
    "facebook/empathetic_dialogues": "CC BY-NC 4.0",
    "thu-coai/esconv": "CC BY-NC 4.0, academic use",
    "EPITOME (Sharma et al. 2020)": "academic, non-profit research use",
    "EmpatheticExchanges": "CC BY-NC 4.0",
    "replies rated by Welivita and Pu (2024)": "no licence stated; never redistributed",
    "replies rated by Zhou and Jurgens (2020)": "no licence stated; never redistributed",
}


def prepare(
    out: Path,
    *,
    teachers: Sequence[Path],
    ratings: Path | None,
    conversations_of: dict[str, int | None],
    variants: int,
    seed: int,
) -> Prepared:
    """Make labelled examples and write them, a JSONL file a split.

    Args:
        out: the folder to write: ``train.jsonl``, ``validation.jsonl``, ``test.jsonl``,
            ``rated.jsonl`` (the rated sets' test part) and ``prepared.json``.
        teachers: what ``empeval train teacher`` wrote, one or more seeds whose word is averaged;
            none takes the labels that come with empeval, and of EmpatheticDialogues those replies
            alone that have one.
        ratings: the folder of rated sets. Their training part become training examples, their
            validation part validation examples; no conversation of theirs is drawn otherwise.
            ``None`` leaves what people rated out.
        conversations_of: how many of each split (``None``: all).
        variants: variants of each human reply.
        seed: of every draw.

    Raises:
        EmpevalError: data that cannot be had or are not what they should be.
    """
    make_folder(out)
    if teachers and ratings is None:
        raise UsageError("A teacher goes with the ratings that it learned: give --ratings too.")
    labeller = Labeller(teachers, ratings) if teachers and ratings else None
    sets = labeller.sets if labeller else read_rated_sets(ratings) if ratings else []
    known = conversations(sets)
    kept = None if labeller else KeptLabels()
    splits: dict[Part, list[Example]] = {}
    for split in SPLITS:
        humans = human_examples(split, conversations_of[split], seed)
        humans = [h for h in humans if h.conversation not in known]
        if kept:
            humans = [h for h in humans if kept.has(h)]
        if not humans:
            raise UsageError(f"No conversation of the split {split} is left; ask for more.")
        splits[split] = humans
        say(f"{split}: {len(humans)} listener turns")
    _keep_apart(splits)
    emotions = tuple(sorted({h.emotion for h in splits["train"]}))
    every: dict[str, list[Example]] = {}
    for split, humans in splits.items():
        examples = humans + add_variants(humans, variants, seed)
        say(f"{split}: labelling {len(examples)} replies")
        if labeller:
            labelled = label_examples(examples, labeller, split)
        elif kept:
            labelled = kept.label(examples)
        every[split] = [of_label(example) for example in labelled]
        if sets and split != "test":
            rated = people_examples(sets, split)
            every[split] += rated
            if split == "train":
                every[split] += people_variants(rated, seed)
    every[RATED] = people_examples(sets, "test", only=MEASURED) if sets else []
    name = "teacher" if labeller else "bundled" if not sets else "bundled-and-people"
    return _write(out, every, emotions, conversations_of, seed, name)


def _keep_apart(splits: dict[Part, list[Example]]) -> None:
    """Make sure that no conversation is in two splits.

    Raises:
        DataError: one is; it is named.
    """
    home: dict[str, str] = {}
    for split, examples in splits.items():
        for example in examples:
            if home.setdefault(example.conversation, split) != split:
                raise DataError(
                    f"The conversation {example.conversation} is in the splits "
                    f"{home[example.conversation]} and {split}. Get the data set again."
                )


def _write(
    out: Path,
    every: dict[str, list[Example]],
    emotions: tuple[str, ...],
    conversations_of: dict[str, int | None],
    seed: int,
    labeller: str,
) -> Prepared:
    (out / "prepared.json").unlink(missing_ok=True)  # until it is true again
    for split, examples in every.items():
        lines = b"".join(msgspec.json.encode(e) + b"\n" for e in examples)
        write_bytes(out / f"{split}.jsonl", lines)
    prepared = Prepared(
        fingerprint=rows_fingerprint(e for split in every for e in every[split]),
        emotions=emotions,
        counts={s: dict(sorted(Counter(e.variant for e in every[s]).items())) for s in every},
        seed=seed,
        conversations=conversations_of,
        labeller=labeller,
        licenses=LICENSES,
    )
    write_json(out / "prepared.json", msgspec.to_builtins(prepared))
    return prepared
