"""``judge:URI?option=value&option=value``: which model judges, and how it is asked."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import msgspec

from empeval import UsageError

EXAMPLE = "judge:openai:gpt-4o-mini?rubric=epitome&repeats=3"
REPEATED_TEMPERATURE = 0.7
"""Of repeats, unless another is given: a greedy judge would say the same again."""


NEWER = ("against", "expected")
"""Options that older versions did not have."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How a judge is asked.

    Attributes:
        model: the model's URI.
        model_args: its options: all that are none of the judge's own.
        rubric: a name, or a YAML file.
        repeats: judgements of each reply, 1 or more.
        temperature: of the judge; ``None``: 0, or ``REPEATED_TEMPERATURE`` with repeats.
        max_tokens: of a judgement, thoughts included.
        seed: of the first judgement; each repeat has the next one.
        examples: whether the rubric's examples are shown.
        expected: whether the expected value over the probabilities of a scale's numbers is read,
            instead of the number in a written judgement.
        against: of pairs, whose replies the others are: ``human`` or a run folder.
    """

    model: str
    model_args: dict[str, str] = {}
    rubric: str = "empathy"
    repeats: int = 1
    temperature: float | None = None
    max_tokens: int = 1024
    seed: int = 0
    examples: bool = True
    against: str = ""
    expected: bool = False

    @property
    def warmth(self) -> float:
        """The temperature that the judge is asked with."""
        if self.temperature is not None:
            return self.temperature
        return REPEATED_TEMPERATURE if self.repeats > 1 else 0.0


OWN = frozenset(Settings.__struct_fields__) - {"model", "model_args"}
"""Options of the judge; all others are its model's."""


def read_settings(target: str | None) -> Settings:
    """The settings that a scorer's target states.

    Raises:
        UsageError: no model, or an option that makes no sense.
    """
    model, _, query = (target or "").partition("?")
    if not model or ":" not in model:
        raise UsageError(
            f"'judge' needs the model that judges, as --model takes it, for example {EXAMPLE}"
        )
    given: dict[str, Any] = {}
    others: dict[str, str] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise UsageError(
            f"The judge's options '{query}' are not option=value, joined by &: {EXAMPLE}"
        ) from error
    for name, value in pairs:
        kind = given if name in OWN else others
        if name in kind:
            raise UsageError(f"The judge's option '{name}' is given twice.")
        kind[name] = value
    try:
        made = msgspec.convert({"model": model, "model_args": others, **given}, Settings,
                               strict=False)  # fmt: skip
    except msgspec.ValidationError as error:
        raise UsageError(f"The judge's options make no sense: {error}.") from error
    if made.repeats < 1 or made.max_tokens < 1:
        raise UsageError("The judge's options 'repeats' and 'max_tokens' must be 1 or more.")
    if made.expected and (made.repeats > 1 or made.temperature is not None):
        raise UsageError(
            "With 'expected' nothing is drawn: leave the judge's repeats and temperature out."
        )
    if not 0 <= made.warmth < float("inf"):
        raise UsageError("The judge's temperature must be 0 or more.")
    return made
