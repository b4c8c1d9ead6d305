"""Which files hold a model's or an adapter's weights, and whether they are whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from empeval.errors import UsageError

Kind = Literal["model", "adapter"]

MARKERS: dict[Kind, str] = {"model": "config.json", "adapter": "adapter_config.json"}
"""The file that tells a model or an adapter from other folders."""

_SINGLE: dict[Kind, tuple[str, ...]] = {
    "model": ("model.safetensors", "pytorch_model.bin"),
    "adapter": ("adapter_model.safetensors", "adapter_model.bin"),
}

TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt")
"""Files of which a folder with a tokenizer has one."""


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder holds a tokenizer, as that of an adapter with tokens of its own does."""
    return any((folder / name).is_file() for name in TOKENIZERS)


def candidates(folder: Path, kind: Kind) -> list[list[str]]:
    """The sets of files that may hold the weights, the preferred set first.

    Args:
        folder: where the indexes of sharded weights are, if there are any.
        kind: what the weights are of.

    Raises:
        UsageError: an index that cannot be read.
    """
    found: list[list[str]] = []
    for name in _SINGLE[kind]:
        index = folder / f"{name}.index.json"
        if index.is_file() and not (folder / name).is_file():
            found.append(_named_in(index))
        else:
            found.append([name])
    return found


def find_weights(folder: Path, kind: Kind) -> list[Path]:
    """The weights in a folder.

    Raises:
        UsageError: there are none, or some that an index names are missing.
    """
    sets = candidates(folder, kind)
    for names in sets:
        if any((folder / name).is_file() for name in names):
            missing = [name for name in names if not (folder / name).is_file()]
            if missing:
                raise UsageError(
                    f"{folder} lacks weights that its index names: {', '.join(missing)}."
                )
            return [folder / name for name in names]
    others = sets[0] if len(sets[0]) > 1 else _SINGLE[kind][:1]
    raise UsageError(f"{folder} is no {kind} folder: it has no weights ({', '.join(others)}).")


def damage(path: Path) -> str | None:
    """What is wrong with a file of weights, as the end of a sentence; ``None`` if it is whole.

    The header of a safetensors file says how long the file must be and what lies in it; no weight
    is read for that. Other formats are not looked into.
    """
    if path.suffix != ".safetensors":
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            return None
    except SafetensorError as error:
        reason = str(error).rpartition("header: ")[2]
        return f"is cut off or damaged, or no safetensors file ({reason})"


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object in a file.

    Raises:
        UsageError: it holds something else.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds no JSON object.")
    return value


def _named_in(index: Path) -> list[str]:
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise UsageError(f"{index} names no weights.")
    return sorted({str(name) for name in named.values()})
