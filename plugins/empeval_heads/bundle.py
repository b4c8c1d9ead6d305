"""A folder of heads with ``eq.json``, which says how they become one score."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec

from empeval import UsageError
from empeval.toolkit import check_target, locate, on_disk, write_json
from empeval_heads.labels import EMOTIONS, STRATEGIES

BUNDLED = Path(__file__).parent / "bundled"
"""The heads that come with empeval."""

FILES = ("eq.json", "*-head.safetensors", "*-head.pt", "README.md", "reward*/*.json",
         "reward*/*.safetensors")  # fmt: skip
"""What is fetched of a hub repository of heads."""

Signal = Literal["none", "emotion", "strategy", "both", "reward"]


class EqFacts(msgspec.Struct, frozen=True, kw_only=True):
    """``eq.json``.

    Attributes:
        base: the frozen model that both heads read.
        empathy_classes: the GoEmotions classes whose probability is summed.
        alignment: what ``alignment`` is: nothing (0), the emotions' overlap, the strategy's
            expected rating, the mean of these two, or the reward implied by a DPO model.
        phases: turns before the reply at which the middle and the last phase of a talk begin.
        ratings: strategy -> its expected rating in [0, 1] in each phase.
        beta: of the DPO model in ``reward/``, an adapter on the base; ``reward-reference/`` is the
            adapter that DPO began with, if it did.
        chosen_by: how the classes were chosen, for a reader.
    """

    base: str
    empathy_classes: tuple[str, ...]
    alignment: Signal = "strategy"
    phases: tuple[int, int]
    ratings: dict[str, tuple[float, float, float]]
    beta: float = 0.1
    chosen_by: str = ""


def locate_heads(target: str | None) -> Path:
    """The folder of heads (or the file of one) that a scorer's target names.

    Args:
        target: a folder, a file, or a hub id; ``None`` is what comes with empeval.

    Raises:
        UsageError: nothing comes with this installation, or the target can be none of these.
        HubError: the hub cannot be reached or has no such repository.
    """
    if target is None:
        if not any(BUNDLED.glob("*-head.safetensors")):
            raise UsageError(
                "This installation has no trained heads. Name some, such as --scorers eq:FOLDER, "
                "or train them: empeval train heads --out FOLDER."
            )
        return BUNDLED
    path = on_disk(target)
    if path is not None:
        return path
    check_target(target, "heads")
    return locate(target, FILES)


def read_eq(folder: Path) -> EqFacts:
    """``eq.json`` of a folder of heads.

    Raises:
        UsageError: there is none, or one that makes no sense.
    """
    path = folder / "eq.json"
    if folder.is_file():
        raise UsageError(f"{folder} is a file; 'eq' takes a folder with both heads and eq.json.")
    try:
        facts = msgspec.json.decode(path.read_bytes(), type=EqFacts)
    except FileNotFoundError:
        raise UsageError(
            f"{folder} has no eq.json. Make it from two heads with: empeval train heads --out "
            f"{folder}"
        ) from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} is not what it should be: {error}.") from error
    unknown = sorted(set(facts.empathy_classes) - set(EMOTIONS))
    if unknown or not facts.empathy_classes:
        what = f"has {', '.join(unknown)}" if unknown else "is empty"
        raise UsageError(f"{path}: empathy_classes {what}; name classes of GoEmotions.")
    if set(facts.ratings) != set(STRATEGIES):
        raise UsageError(f"{path}: ratings must have an entry for each of {', '.join(STRATEGIES)}.")
    numbers = [number for row in facts.ratings.values() for number in row]
    if not all(0 <= number <= 1 for number in numbers):
        raise UsageError(f"{path}: ratings must be from 0 to 1.")
    if not 0 < facts.phases[0] < facts.phases[1]:
        raise UsageError(f"{path}: phases must be two rising numbers of turns.")
    return facts


def write_eq(folder: Path, facts: EqFacts) -> Path:
    """Write ``eq.json``; whole or not at all."""
    path = folder / "eq.json"
    write_json(path, facts)
    return path
