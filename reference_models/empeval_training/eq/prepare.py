"""``empeval train prepare-sft | prepare-dpo``: examples as JSONL that a person can read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from empeval import DataError, UsageError, rows_fingerprint
from empeval.files import write_bytes
from empeval.jsonl import read_objects
from empeval_training.data import draw, make_folder, write_json
from empeval_training.eq.chats import LICENSES, SOURCES, Chat, check_chat
from empeval_training.eq.esconv import DATASET as ESCONV
from empeval_training.eq.esconv import read_failed, read_talks
from empeval_training.eq.mixing import Portion, mix
from empeval_training.eq.pairs import Pair, count_rules, make_pairs, read_pairs, without_leaks
from empeval_training.progress import say

HELD_FAILED = 4
"""Every so many'th failed talk is kept for validation; training never sees its turns."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """``prepared.json``: what lies beside it, and what made it.

    Attributes:
        kind: ``sft`` or ``dpo``.
        fingerprint: of the training rows.
        train, validation: how many rows.
        seed: of the draws.
        facts: of the mixture, or pairs by rule.
        licenses: of the sources.
    """

    kind: str
    fingerprint: str
    train: int
    validation: int
    seed: int
    facts: dict[str, Any]
    licenses: dict[str, str]


def prepare_sft(
    out: Path,
    *,
    temperature: float,
    total: int | None,
    validation: int,
    seed: int,
    sources: Sequence[str] | None = None,
) -> tuple[Made, dict[str, Portion]]:
    """Write a mixture of the sources as ``train.jsonl`` and ``validation.jsonl``.

    Args:
        out: the folder to write.
        temperature: of the mixture; see ``mixing``.
        total: training examples; ``None``: as many as the sources have.
        validation: validation examples, mixed alike, none twice.
        seed: of draws and order.
        sources: names of data sets; all three by default.

    Raises:
        EmpevalError: data that cannot be had or mixed.
    """
    make_folder(out)
    chosen = list(sources or SOURCES)
    unknown = sorted(set(chosen) - set(SOURCES))
    if unknown:
        raise UsageError(f"Unknown source {unknown[0]}; known are {', '.join(SOURCES)}.")
    parts: dict[str, list[Chat]] = {}
    portions: dict[str, Portion] = {}
    for split in ("train", "validation"):
        found = {}
        for name in chosen:
            found[name] = SOURCES[name](split)
            say(f"{split}: {len(found[name])} examples of {name}")
        if split == "train":
            parts[split], portions = mix(found, temperature, total, seed)
        else:
            rest = {n: draw(c, max(1, validation // len(found)), seed) for n, c in found.items()}
            parts[split], _ = mix(rest, 1.0, None, seed)
    facts = {
        "temperature": temperature,
        "sources": {
            name: {"available": p.available, "share": round(p.share, 6), "drawn": p.drawn}
            for name, p in portions.items()
        },
    }
    made = _write(out, "sft", "", parts["train"], parts["validation"], seed, facts, chosen)
    return made, portions


def prepare_dpo(
    out: Path, *, limit: int | None, validation: int, seed: int, own: Sequence[Pair] = ()
) -> Made:
    """Write preference pairs as ``pairs-train.jsonl`` and ``pairs-validation.jsonl``.

    Args:
        out: the folder to write.
        limit: at most so many training pairs.
        validation: at most so many validation pairs.
        seed: of the draws.
        own: pairs with the tuned model's own weaker replies, added to the training pairs.

    Raises:
        EmpevalError: data that cannot be had.
    """
    make_folder(out)
    test = read_talks("test")
    held = without_leaks(read_talks("validation"), test)
    failed = without_leaks(read_failed(), [*test, *held])
    if not failed:
        say("no failed talks at hand: the rule failed-talk is left out")
    held_failed = failed[::HELD_FAILED]
    rest = [talk for place, talk in enumerate(failed) if place % HELD_FAILED]
    train = without_leaks(read_talks("train"), [*test, *held, *held_failed])
    pairs = [*make_pairs(train, without_leaks(rest, held_failed), limit, seed), *own]
    others = make_pairs(held, held_failed, validation, seed)
    if not pairs or not others:
        raise DataError(f"{ESCONV} gives no pairs; ask for more.")
    facts = {"rules": dict(count_rules(pairs)), "validation_rules": dict(count_rules(others))}
    return _write(out, "dpo", "pairs-", pairs, others, seed, facts, [ESCONV])


def read_made(folder: Path, kind: str) -> Made:
    """``prepared.json`` of a folder.

    Raises:
        UsageError: the folder holds nothing prepared, or another kind.
    """
    path = folder / "prepared.json"
    if not path.is_file():
        raise UsageError(
            f"{folder} holds no prepared data. Make it with: empeval train prepare-{kind} --out "
            f"{folder}"
        )
    try:
        made = msgspec.json.decode(path.read_bytes(), type=Made)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is not what prepare-{kind} writes: {error}.") from error
    if made.kind != kind:
        raise UsageError(f"{folder} holds data for {made.kind}, not for {kind}.")
    return made


def read_chats(folder: Path, split: str) -> list[Chat]:
    """The examples of a split of ``prepare-sft``.

    Raises:
        DataError: a line is no example; its number is named.
    """
    path = folder / f"{split}.jsonl"
    chats = []
    for number, row in read_objects(path):
        where = f"{path}, line {number}"
        try:
            chats.append(check_chat(msgspec.convert(row, Chat), where))
        except msgspec.ValidationError as error:
            raise DataError(f"{where}: {error}.") from error
    if not chats:
        raise DataError(f"{path} has no examples.")
    return chats


def read_split(folder: Path, split: str) -> list[Pair]:
    """The pairs of a split of ``prepare-dpo``."""
    return read_pairs(folder / f"pairs-{split}.jsonl")


def _write(
    out: Path,
    kind: str,
    prefix: str,
    train: Sequence[Any],
    validation: Sequence[Any],
    seed: int,
    facts: dict[str, Any],
    sources: Sequence[str],
) -> Made:
    (out / "prepared.json").unlink(missing_ok=True)  # until it is true again
    for split, rows in (("train", train), ("validation", validation)):
        lines = b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
        write_bytes(out / f"{prefix}{split}.jsonl", lines)
    made = Made(
        kind=kind,
        fingerprint=rows_fingerprint(train),
        train=len(train),
        validation=len(validation),
        seed=seed,
        facts=facts,
        licenses={name: LICENSES[name] for name in sources},
    )
    write_json(out / "prepared.json", msgspec.to_builtins(made))
    return made
