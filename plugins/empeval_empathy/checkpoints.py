"""Finds an empathy checkpoint and checks what can be checked without loading it.

A checkpoint is a full model folder, or an adapter on a pretrained encoder. Weights come from
safetensors only; no code and no pickle in a folder is ever run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from empeval import UsageError
from empeval.toolkit import ADAPTER, WEIGHTS, check_target, fingerprint, target_fingerprint
from empeval_empathy.emotions import EMOTIONS

BUNDLED = Path(__file__).parent / "bundled"
"""The checkpoints that come with empeval, a folder a scorer."""

MODEL_TYPE = "empeval-empathy"
SCORERS = {"shared": "baseline or stm", "cascade": "mvc"}
"""Which scorers an architecture is for."""

_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")


def read_facts(folder: Path, architecture: str) -> dict[str, Any]:
    """``config.json`` of a checkpoint, checked without importing anything heavy.

    Args:
        folder: the checkpoint.
        architecture: ``shared`` or ``cascade``: what the scorer needs.

    Raises:
        UsageError: it is no empathy checkpoint, one of another architecture or with other
            emotions, its weights are a pickle, or its encoder cannot be.
    """
    path = folder / "config.json"
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UsageError(f"{folder} is no empathy checkpoint: it has no config.json.") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON file: {error}.") from error
    kind = facts.get("model_type") if isinstance(facts, dict) else None
    if kind != MODEL_TYPE:
        raise UsageError(
            f"{folder} is no empathy checkpoint: its config.json says model_type {kind!r}, not "
            f"{MODEL_TYPE!r}."
        )
    _check_architecture(folder, facts, architecture)
    _check_emotions(folder, facts)
    _check_weights(folder, facts)
    return dict(facts)


def _check_architecture(folder: Path, facts: dict[str, Any], wanted: str) -> None:
    found = str(facts.get("architecture"))
    if found == wanted:
        return
    if found in SCORERS:
        raise UsageError(
            f"{folder} is a checkpoint for {SCORERS[found]}, not for {SCORERS[wanted]}; name that "
            "scorer."
        )
    raise UsageError(
        f"{folder} has the architecture {found!r}, which no scorer knows; they know "
        f"{' and '.join(map(repr, SCORERS))}."
    )


def _check_emotions(folder: Path, facts: dict[str, Any]) -> None:
    labels = facts.get("id2label")
    if not isinstance(labels, dict) or set(labels) != set(map(str, range(len(labels)))):
        raise UsageError(
            f"{folder} does not number its emotions: id2label in its config.json must have an "
            f"entry for each of '0' to '{len(EMOTIONS) - 1}'."
        )
    emotions = [str(emotion) for emotion in labels.values()]
    if sorted(emotions) != sorted(EMOTIONS):
        odd = sorted(set(emotions) ^ set(EMOTIONS)) or ["one of them twice"]
        raise UsageError(
            f"{folder} was trained on another set of emotions ({len(emotions)}, not the "
            f"{len(EMOTIONS)} of EmpatheticDialogues; {', '.join(odd[:3])} ...)."
        )


def _check_weights(folder: Path, facts: dict[str, Any]) -> None:
    if (folder / WEIGHTS).is_file():
        return
    if (folder / ADAPTER).is_file():
        check_target(str(facts.get("encoder_name") or ""), f"encoder of the adapter {folder}")
        return
    pickles = sorted(path.name for pattern in _PICKLES for path in folder.glob(pattern))
    if pickles:
        raise UsageError(
            f"{folder} cannot be used: its weights ({pickles[0]}) are a pickle, which may run code "
            "when it is read; save them as safetensors."
        )
    raise UsageError(f"{folder} cannot be used: it has neither {WEIGHTS} nor {ADAPTER}.")


def checkpoint_fingerprint(folder: Path, facts: dict[str, Any]) -> str:
    """Identifies the weights: of the folder's files, and of the encoder an adapter goes on.

    Raises:
        EmpevalError: the encoder that an adapter goes on cannot be had.
    """
    own = fingerprint(folder)
    if (folder / WEIGHTS).is_file():
        return own
    return f"{own} on {target_fingerprint(str(facts.get('encoder_name')))}"


def load_checkpoint(folder: Path | str) -> tuple[Any, Any]:
    """A model in evaluation mode and its tokenizer, from a checkpoint folder.

    Returns:
        An ``EmpathyModel`` in float32 on the CPU, and the tokenizer of its encoder.

    Raises:
        UsageError: a head or other weights are missing or of another shape, or files are broken.
        EmpevalError: the encoder that an adapter goes on cannot be had.
    """
    from empeval_empathy.loading import load

    return load(Path(folder))
