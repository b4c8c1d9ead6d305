"""``empeval train prepare-ed``: labelled training examples from EmpatheticDialogues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from empeval import DataError, UsageError, rows_fingerprint
from empeval_training.data import Prepared, make_folder, write_json
from empeval_training.examples import INHERITING, SPLITS, Example, add_variants, human_examples
from empeval_training.hybrid import Labeller, fit_labeller, rated_sums, set_scale
from empeval_training.progress import say
from empeval_training.ratings import Rated, read_rated
from empeval_training.signals import NAMES, Embedder

BUNDLED = Path(__file__).parent / "labeller"
"""A labeller fitted on the development part of the ratings; used where no ratings are given."""

LICENSES = {
    "facebook/empathetic_dialogues": "CC BY-NC 4.0",
    "EPITOME (Sharma et al. 2020)": "academic, non-profit research use",
    "replies rated by Welivita and Pu (2024)": "no licence stated; never redistributed",
}


def prepare(
    out: Path,
    *,
    ratings: Path | None,
    conversations: dict[str, int | None],
    variants: int,
    seed: int,
) -> Prepared:
    """Make labelled examples and write them, a JSONL file a split.

    Args:
        out: the folder to write: ``train.jsonl``, ``validation.jsonl``, ``test.jsonl``,
            ``prepared.json`` and the labeller that was used.
        ratings: a folder of human ratings to fit the labeller on; ``None`` uses the bundled one.
        conversations: how many of each split (``None``: all).
        variants: variants of each human reply.
        seed: of every draw.

    Raises:
        EmpevalError: data that cannot be had or are not what they should be.
    """
    make_folder(out)
    rated = read_rated(ratings) if ratings else []
    known = {r.dialogue for r in rated if r.source == "ratings"}
    splits: dict[str, list[Example]] = {}
    for split in SPLITS:
        humans = human_examples(split, conversations[split], seed)
        humans = [h for h in humans if h.conversation not in known]
        if not humans:
            raise UsageError(f"No conversation of the split {split} is left; ask for more.")
        splits[split] = humans
        say(f"{split}: {len(humans)} listener turns")
    _keep_apart(splits)
    emotions = tuple(sorted({h.emotion for h in splits["train"]}))
    embedder = Embedder()
    if rated:
        say("fitting the labeller")
        labeller = fit_labeller(rated, splits["train"], embedder, seed=seed)
    else:
        labeller = Labeller.load(BUNDLED)
    sums: dict[str, np.ndarray] = {}
    every: dict[str, list[Example]] = {}
    for split, humans in splits.items():
        every[split] = humans + add_variants(humans, variants, seed)
        say(f"{split}: labelling {len(every[split])} replies")
        own = labeller.sums(labeller.models.compute(embedder.pairs(every[split])))
        sums[split] = inherited(every[split], own)
    if rated:
        labeller = set_scale(labeller, sums["train"])
        extra, extra_sums = _rated_examples(rated, labeller, embedder)
        every["train"] = every["train"] + extra
        sums["train"] = np.concatenate([sums["train"], extra_sums])
    for split, examples in every.items():
        labels = labeller.to_label(sums[split])
        every[split] = [
            msgspec.structs.replace(e, empathy=round(float(label), 4))
            for e, label in zip(examples, labels, strict=True)
        ]
    return _write(out, every, labeller, emotions, conversations, seed, bool(rated))


def inherited(examples: Sequence[Example], sums: np.ndarray) -> np.ndarray:
    """The sums, those of ``INHERITING`` variants replaced by their human reply's; (examples,)."""
    place = {example.id: number for number, example in enumerate(examples)}
    origin = [
        place[e.id.rpartition("~")[0]] if e.variant in INHERITING else number
        for number, e in enumerate(examples)
    ]
    return sums[origin]


def _keep_apart(splits: dict[str, list[Example]]) -> None:
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


def _rated_examples(
    rated: Sequence[Rated], labeller: Labeller, embedder: Embedder
) -> tuple[list[Example], np.ndarray]:
    """The rated replies of the fitting part as training examples, with their sums."""
    examples: list[Example] = []
    sums = []
    for source in ("epitome", "ratings"):
        own = [r for r in rated if r.source == source and r.part == "fit"]
        own_sums = labeller.sums(labeller.models.compute(embedder.pairs(own)))
        sums.append(rated_sums(own, own_sums))
        examples += [
            Example(
                id=r.id,
                split="train",
                conversation=f"{source}:{r.dialogue}",
                emotion=r.emotion or "",
                context=r.context,
                reply=r.reply,
                variant=f"rated:{source}",
            )
            for r in own
        ]
    return examples, np.concatenate(sums)


def _write(
    out: Path,
    every: dict[str, list[Example]],
    labeller: Labeller,
    emotions: tuple[str, ...],
    conversations: dict[str, int | None],
    seed: int,
    fitted: bool,
) -> Prepared:
    (out / "prepared.json").unlink(missing_ok=True)  # until it is true again
    for split, examples in every.items():
        lines = b"".join(msgspec.json.encode(e) + b"\n" for e in examples)
        (out / f"{split}.jsonl").write_bytes(lines)
    labeller.save(out / "labeller")
    prepared = Prepared(
        fingerprint=rows_fingerprint(e for split in SPLITS for e in every[split]),
        emotions=emotions,
        counts={s: dict(sorted(Counter(e.variant for e in every[s]).items())) for s in SPLITS},
        seed=seed,
        conversations=conversations,
        labeller="fitted on ratings" if fitted else "bundled",
        licenses=LICENSES,
    )
    write_json(out / "prepared.json", msgspec.to_builtins(prepared))
    return prepared


def signal_table(labeller: Labeller) -> list[tuple[str, float]]:
    """The signals and their weights, the heaviest first."""
    weights = labeller.facts.weights
    return sorted(((n, weights[n]) for n in NAMES), key=lambda pair: -abs(pair[1]))
