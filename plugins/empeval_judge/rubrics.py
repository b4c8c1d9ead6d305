"""Rubrics: what a judge is asked to rate, on which scales, in a YAML file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from empeval import DataError, UnknownNameError
from empeval.toolkit import Document, convert, nearest, read_text, read_yaml

FOLDER = Path(__file__).parent / "rubrics"
DEFAULT = "empathy"
RESERVED = frozenset({"reason"})
_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Scale(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing to rate.

    Attributes:
        name: of the value: small letters, digits and underscores.
        question: what is rated, in a sentence or two.
        low, high: the least and the largest whole number that a judge may give.
        levels: number -> what it stands for; for as many numbers as are described.
        higher_is_better: ``None`` where the scale only describes.
    """

    name: str
    question: str
    low: int
    high: int
    levels: dict[int, str] = {}
    higher_is_better: bool | None = None


class Example(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A judged reply that is shown to the judge first.

    Attributes:
        context: turns; the last is the speaker's, to whom the reply is.
        scores: one of every scale.
        reason: one sentence.
    """

    context: tuple[str, ...]
    reply: str
    scores: dict[str, int]
    reason: str


class Rubric(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a judge is asked.

    Attributes:
        name: short, for tables.
        summary: one sentence, for the scorer's card.
        instructions: what the judge is told before the scales.
        scales: in the order in which they are asked and shown; the first is the headline.
        examples: shown before the reply, unless the user leaves them out.
        of: what is judged: the last ``reply``, or all that the model says in a ``dialogue``.
        means: name -> scales of one range whose mean is one more value.
        citation: of the scales, where they are somebody's.
    """

    name: str
    summary: str
    instructions: str
    scales: tuple[Scale, ...]
    examples: tuple[Example, ...] = ()
    of: Literal["reply", "dialogue"] = "reply"
    means: dict[str, tuple[str, ...]] = {}
    citation: str | None = None

    @property
    def hash(self) -> str:
        """12 hex digits over everything that it says."""
        said = msgspec.to_builtins(self, str_keys=True)
        for name, unsaid in (("of", "reply"), ("means", {})):  # older rubrics did not have them
            if said[name] == unsaid:
                del said[name]
        return hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()[:12]


def names() -> list[str]:
    """The rubrics that come with empeval."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_rubric(which: str) -> Rubric:
    """A rubric that comes with empeval, by name, or one in a file (``.yaml``, ``.yml``).

    Raises:
        UnknownNameError: there is no such rubric or file.
        DataError: the file holds none; the message names the line.
    """
    if which.endswith((".yaml", ".yml")):
        path = Path(which).expanduser()
    else:
        path = FOLDER / f"{which}.yaml"
        if which not in names():
            raise UnknownNameError(
                f"There is no rubric '{which}'.",
                kind="rubric",
                name=which,
                known=names(),
                hint=f"{nearest(which, names())} A rubric of your own is named by its file: "
                "rubric=my_rubric.yaml",
            )
    document = read_yaml(read_text(path), str(path))
    rubric = convert(document, Rubric)
    _check(rubric, document)
    return rubric


def _check(rubric: Rubric, document: Document) -> None:
    """Refuse what no judge could answer, or no reader could understand.

    Raises:
        DataError: naming the line.
    """
    if not rubric.scales:
        raise DataError(f"{document.where('scales')}: a rubric needs at least one scale.")
    seen: set[str] = set()
    for index, scale in enumerate(rubric.scales):
        at = document.where("scales", index)
        if not _NAME.fullmatch(scale.name) or scale.name in RESERVED:
            raise DataError(
                f"{at}: '{scale.name}' cannot name a scale: small letters, digits and underscores, "
                "a letter first, and not 'reason'."
            )
        if scale.name in seen:
            raise DataError(f"{at}: the scale '{scale.name}' is there twice.")
        if scale.low >= scale.high or scale.low < 0:
            raise DataError(f"{at}: low ({scale.low}) must be 0 or more and below high.")
        if not scale.question.strip():
            raise DataError(f"{at}: '{scale.name}' asks nothing; write its 'question'.")
        odd = [level for level in scale.levels if not scale.low <= level <= scale.high]
        if odd:
            raise DataError(f"{at}: the level {odd[0]} lies outside {scale.low}-{scale.high}.")
        seen.add(scale.name)
    for name, wanted in rubric.means.items():
        at = document.where("means", name)
        if not _NAME.fullmatch(name) or name in seen or name in RESERVED:
            raise DataError(f"{at}: '{name}' cannot name a mean; take another name.")
        unknown = [one for one in wanted if one not in seen]
        if unknown or not wanted:
            raise DataError(
                f"{at}: '{name}' must be of scales of this rubric; {unknown or 'none'}."
            )
        ranges = {(s.low, s.high, s.higher_is_better) for s in rubric.scales if s.name in wanted}
        if len(ranges) > 1:
            raise DataError(f"{at}: the scales of '{name}' differ in range or direction.")
    if rubric.of == "dialogue" and rubric.examples:
        raise DataError(f"{document.where('examples')}: a rubric of dialogues takes no examples.")
    for index, example in enumerate(rubric.examples):
        at = document.where("examples", index)
        if not example.context:
            raise DataError(f"{at}: the example has no context.")
        _check_scores(rubric, example.scores, at)


def _check_scores(rubric: Rubric, scores: Mapping[str, int], at: str) -> None:
    wanted = {scale.name: scale for scale in rubric.scales}
    if set(scores) != set(wanted):
        raise DataError(f"{at}: 'scores' must have exactly {', '.join(wanted)}.")
    for name, score in scores.items():
        if not wanted[name].low <= score <= wanted[name].high:
            raise DataError(f"{at}: the score {score} of {name} lies outside of its scale.")
