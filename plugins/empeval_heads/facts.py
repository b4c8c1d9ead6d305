"""What a head says of itself, and the two kinds of file that hold one.

A head is one file: ``NAME.safetensors`` with its facts as JSON in the header, or ``NAME.pt``, a
dictionary of tensors and the same JSON. A ``.pt`` is read with ``weights_only=True``: one that
holds anything but tensors and plain values is refused, never run.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec

from empeval import UsageError
from empeval.toolkit import replacing

Kind = Literal["emotion", "strategy"]
KINDS: tuple[Kind, ...] = ("emotion", "strategy")
FORMAT = "empeval-head-1"
UNROUNDED = ("center", "scale")
"""Tensors that are kept in float32."""


class HeadFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything of a head but its weights.

    Attributes:
        kind: ``emotion`` (several classes may hold at once) or ``strategy`` (exactly one holds).
        labels: the classes, by number.
        base: the frozen model whose embeddings it reads: a hub id, a folder, ``packaged:NAME``.
        base_fingerprint: identifies the base's files.
        width: of the embeddings.
        hidden: width of the head's inner layer.
        layers: after how many of the base's layers its states are taken; those of several stand
            side by side. Empty, as in the heads of earlier versions, is the last layer.
        standardized: whether embeddings are centred and scaled by the training set's before
            anything else.
        pooling: ``mean`` over the text's tokens, or the ``last`` one.
        max_length: the most tokens that are embedded.
        thresholds: the probability from which an emotion counts as there, one a class, chosen on
            validation; empty for strategies, where the likeliest one counts.
        data: what it was trained on, with the fingerprint of the rows.
        metrics: measured on the test split, name -> value.
    """

    kind: Kind
    labels: tuple[str, ...]
    base: str
    base_fingerprint: str
    width: int
    hidden: int
    layers: tuple[int, ...] = ()
    standardized: bool = False
    pooling: Literal["mean", "last"] = "mean"
    max_length: int = 256
    thresholds: tuple[float, ...] = ()
    data: str = ""
    # the name in files of before
    metrics: dict[str, float] = msgspec.field(name="figures", default_factory=dict)


def find_file(target: Path, kind: Kind) -> Path:
    """The file of a head: the path itself, or ``KIND-head.safetensors`` (else ``.pt``) in it.

    Raises:
        UsageError: there is none.
    """
    if target.is_file():
        if target.suffix not in (".safetensors", ".pt"):
            raise UsageError(f"{target} is no head: it must be a .safetensors or a .pt file.")
        return target
    for suffix in (".safetensors", ".pt"):
        path = target / f"{kind}-head{suffix}"
        if path.is_file():
            return path
    raise UsageError(
        f"{target} has no {kind} head ({kind}-head.safetensors or .pt). Train one with: empeval "
        f"train heads --out {target}"
    )


def read_facts(path: Path, kind: Kind) -> HeadFacts:
    """The facts in a head's file, checked against the kind that is wanted.

    Raises:
        UsageError: it is no head, one of the other kind, or one of other classes.
    """
    text = _pt(path)["facts"] if path.suffix == ".pt" else _header(path)
    try:
        facts = msgspec.json.decode(text, type=HeadFacts)
    except (msgspec.DecodeError, TypeError) as error:
        raise UsageError(f"{path} is no head of empeval: {error}.") from error
    if facts.kind != kind:
        raise UsageError(f"{path} is a head for {facts.kind}, not for {kind}.")
    from empeval_heads.labels import EMOTIONS, STRATEGIES

    known = EMOTIONS if kind == "emotion" else STRATEGIES
    if sorted(facts.labels) != sorted(known):
        odd = sorted(set(facts.labels) ^ set(known)) or ["one of them twice"]
        raise UsageError(
            f"{path} has other classes than the {len(known)} of a head for {kind}: "
            f"{', '.join(odd[:3])}."
        )
    if facts.thresholds and len(facts.thresholds) != len(facts.labels):
        raise UsageError(
            f"{path} has {len(facts.thresholds)} thresholds for {len(facts.labels)} classes."
        )
    return facts


def read_tensors(path: Path) -> dict[str, Any]:
    """The weights in a head's file, name -> tensor.

    Raises:
        UsageError: they cannot be read.
    """
    if path.suffix == ".pt":
        return dict(_pt(path)["state"])
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path))
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} cannot be read as safetensors: {error}.") from error


def write_head(folder: Path, facts: HeadFacts, state: dict[str, Any]) -> list[Path]:
    """Write a head as ``KIND-head.safetensors`` and ``KIND-head.pt``; each whole or not at all.

    Weights are kept in half precision; what embeddings are standardized by is not, because a
    middle layer's states lie far from each other.

    Args:
        folder: where to; it exists.
        facts: of the head.
        state: its weights, name -> tensor.
    """
    import torch
    from safetensors.torch import save_file

    text = msgspec.json.encode(facts).decode()
    plain = {
        name: (weight if name in UNROUNDED else weight.half()).detach().cpu().contiguous()
        for name, weight in state.items()
    }
    paths = [folder / f"{facts.kind}-head{suffix}" for suffix in (".safetensors", ".pt")]
    with replacing(paths[0]) as tensors, replacing(paths[1]) as pickled:
        save_file(plain, tensors, metadata={FORMAT: text})  # one entry: the order of two is random
        torch.save({"format": FORMAT, "facts": text, "state": plain}, pickled)
    return paths


def _header(path: Path) -> str:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UsageError(f"{path} cannot be read as safetensors: {error}.") from error
    if FORMAT not in metadata:
        raise UsageError(f"{path} is no head of empeval: its header does not say {FORMAT}.")
    return str(metadata[FORMAT])


def _pt(path: Path) -> dict[str, Any]:
    """The content of a ``.pt`` file, without running anything that is in it."""
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises several types here
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise UsageError(
                f"{path} is refused: besides tensors it holds objects that could run code when "
                "they are read. Save the head's state and facts alone."
            ) from error
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{path} cannot be read as a .pt file: {reason}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UsageError(f"{path} is no head of empeval: it does not say {FORMAT}.")
    state = content.get("state")
    if not isinstance(state, dict) or not all(isinstance(v, torch.Tensor) for v in state.values()):
        raise UsageError(f"{path} is no head of empeval: its state is not a table of tensors.")
    return dict(content)
