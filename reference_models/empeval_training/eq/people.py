"""How far the EQ score and its terms agree with people, beside the empathy scorers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from empeval import Item, Message, Response, Sample, rows_fingerprint
from empeval_empathy.checkpoints import BUNDLED, checkpoint_fingerprint
from empeval_heads.scorers import EQ
from empeval_training.agreement import Agreement, spearman
from empeval_training.answers import read_json
from empeval_training.data import make_folder, write_json
from empeval_training.judges import Checkpoint, Judged, Scores, grid, rivals
from empeval_training.ratings import Rated
from empeval_training.recipe import MODELS


class Replied(Protocol):
    """A reply after the turns before it."""

    @property
    def context(self) -> tuple[str, ...]:
        """The turns before it."""

    @property
    def reply(self) -> str:
        """Its text."""


TERMS = ("eq", "empathy_mass", "strategy_alignment", "emotion_alignment")


def people_table(heads: Path, posts: Sequence[Rated], replies: Sequence[Rated]) -> str:
    """How far every judge agrees with people, as Markdown.

    What a trained judge says of the replies is kept in ``heads/people``: it takes minutes.

    Args:
        heads: a folder of heads.
        posts: with EPITOME's levels.
        replies: rated 1-3.
    """
    asked = {"epitome": posts, "ratings": replies}
    terms = [kept_terms(heads, heads, name, rows) for name, rows in asked.items()]
    scored = {term: (terms[0][term], terms[1][term]) for term in TERMS}
    for name, judge in others().items():
        key = _bundled_key(name) if name in MODELS else None
        first, second = (
            _kept(heads, f"{name}-{which}", key, rows, partial(_alone, judge))[""]
            for which, rows in asked.items()
        )
        scored[name] = first, second
    dialogues = [r.dialogue for r in posts]
    sources = {
        "EPITOME sum": (Agreement([r.values["sum"] for r in posts], dialogues), 0),
        "ER": (Agreement([r.values["er"] for r in posts], dialogues), 0),
        "ratings 1-3": (
            Agreement([r.values["rating"] for r in replies], [r.dialogue for r in replies]),
            1,
        ),
    }
    rows = [
        [name, *(str(own.estimate(spearman, both[side])) for own, side in sources.values())]
        for name, both in scored.items()
    ]
    return grid(rows, ["", *sources])


def kept_terms(
    cache: Path, heads: Path, name: str, rated: Sequence[Replied]
) -> dict[str, np.ndarray]:
    """The EQ score and its terms of replies, from an earlier call where that said the same.

    Args:
        cache: a folder of heads, in whose folder ``people`` the scores are kept.
        heads: a folder of heads: which ones to ask.
        name: of the replies.
        rated: the replies.

    Returns:
        Term -> scores, shape (replies,); 0 where a reply could not be scored.
    """
    key = EQ(str(heads)).fingerprint()
    short = hashlib.sha256(key.encode()).hexdigest()[:8]
    return _kept(cache, f"eq-{short}-{name}", key, rated, partial(_terms, heads))


def others() -> dict[str, Scores]:
    """The bundled empathy scorers and the trivial rivals, as functions of dialogues."""
    judges: dict[str, Scores] = {name: Checkpoint(BUNDLED / name) for name in reversed(MODELS)}
    return judges | rivals()


def _terms(heads: Path, rated: Sequence[Replied]) -> dict[str, np.ndarray]:
    """The EQ score and its terms of rated replies; 0 where a reply could not be scored."""
    samples = [_sample(place, reply) for place, reply in enumerate(rated)]
    scores = EQ(str(heads)).score(samples)
    return {term: np.array([score.values.get(term, 0.0) for score in scores]) for term in TERMS}


def _bundled_key(name: str) -> str:
    return checkpoint_fingerprint(BUNDLED / name, read_json(BUNDLED / name / "config.json"))


def _alone(judge: Scores, rated: Sequence[Judged]) -> dict[str, np.ndarray]:
    return {"": judge(rated)}


def _kept(
    heads: Path,
    name: str,
    key: str | None,
    rated: Sequence[Any],
    judge: Callable[[Sequence[Any]], dict[str, np.ndarray]],
) -> dict[str, np.ndarray]:
    """What a judge says of replies, from an earlier call where key and replies are the same.

    Args:
        heads: the folder that keeps it.
        name: of the file.
        key: identifies the judge; ``None`` is asked each time.
        rated: the replies.
        judge: asks it.
    """
    if key is None:
        return judge(rated)
    path = heads / "people" / f"{name}.json"
    of = rows_fingerprint([key, *([*r.context, r.reply] for r in rated)])
    known = read_json(path) if path.is_file() else {}
    if known.get("of") != of:
        known = {"of": of, "values": {n: list(map(float, v)) for n, v in judge(rated).items()}}
        make_folder(path.parent)
        write_json(path, known)
    return {n: np.array(v) for n, v in known["values"].items()}


def _sample(place: int, reply: Replied) -> Sample:
    last = len(reply.context) - 1
    messages = tuple(
        Message("user" if (last - number) % 2 == 0 else "assistant", text)
        for number, text in enumerate(reply.context)
    )
    item = Item(str(place), messages, cluster=str(place))
    return Sample(item, Response(item.id, reply.reply))
