"""Embeddings of many passages, computed once and streamed to disk; an interrupted job goes on.

A set is two files: ``NAME.npy``, float16 of shape (passages, layers, width), memory-mapped,
and ``NAME.json``, which says what it is of and how much of it is there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from empeval_heads.base import FrozenBase, Passage, Precision
from empeval_training.answers import read_json
from empeval_training.data import write_json
from empeval_training.eq.recipes import Reading
from empeval_training.progress import bar

CHUNK = 1024
"""Passages embedded between two notes of how far it is."""


def embed_to_disk(
    passages: Sequence[Passage],
    base: FrozenBase,
    recipe: Reading,
    folder: Path,
    name: str,
    layers: Sequence[int],
) -> np.ndarray:
    """The embeddings of passages as a memory map, float16, shape (passages, layers, width).

    All layers come from one pass through the base. What is there of the same passages, base,
    layers and pooling is used; the rest is computed.

    Args:
        passages: texts that are not blank.
        base: what embeds them.
        recipe: pooling, length and precision.
        folder: where the files are.
        name: of the set.
        layers: whose states are wanted.
    """
    precision = chosen_precision(recipe.precision)
    facts = {
        "passages": _fingerprint(passages),
        "base": base.fingerprint,
        "pooling": recipe.pooling,
        "max_length": recipe.max_length,
        "layers": list(layers),
        "precision": precision,
        "width": base.width,
        "count": len(passages),
    }
    matrix, note = folder / f"{name}.npy", folder / f"{name}.json"
    done = _done(note, facts) if matrix.is_file() else 0
    shape = (len(passages), len(layers), base.width)
    if done:
        array = np.load(matrix, mmap_mode="r+")
    else:
        array = np.lib.format.open_memmap(matrix, mode="w+", dtype=np.float16, shape=shape)
    for start in bar(range(done, len(passages), CHUNK), f"{name}, in steps of {CHUNK}"):
        chunk = passages[start : start + CHUNK]
        array[start : start + len(chunk)] = base.embed(
            chunk,
            pooling=recipe.pooling,
            max_length=recipe.max_length,
            layers=layers,
            precision=precision,
        ).reshape(len(chunk), *shape[1:])
        array.flush()
        write_json(note, {**facts, "done": start + len(chunk)})
    del array
    whole: np.ndarray = np.load(matrix, mmap_mode="r")
    return whole


def chosen_precision(wanted: str) -> Precision:
    """The precision of a recipe on this machine: ``auto`` is bf16 where the hardware has it."""
    if wanted != "auto":
        return "bf16" if wanted == "bf16" else "fp32"
    import torch

    from empeval.generators.hf.loading import cpu_has_bf16

    able = torch.cuda.is_bf16_supported() if torch.cuda.is_available() else cpu_has_bf16()
    return "bf16" if able else "fp32"


def _done(note: Path, facts: dict[str, Any]) -> int:
    if not note.is_file():
        return 0
    known = read_json(note)
    done = int(known.pop("done", 0))
    return done if known == facts else 0


def _fingerprint(passages: Sequence[Passage]) -> str:
    digest = hashlib.sha256()
    for passage in passages:
        digest.update(f"{passage.before}\0{passage.text}\0".encode())
    return f"sha256:{digest.hexdigest()}"
