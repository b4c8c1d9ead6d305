"""A tiny random base model and random heads on it, whose opinions differ all the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support.tiny_models import make_random_model

RATINGS = (0.2, 0.5, 0.8)


def make_base(folder: Path, **options: Any) -> Path:
    """A random Llama with a tokenizer of bytes."""
    make_random_model(folder, max_position_embeddings=512, **options)
    return folder


def make_heads(folder: Path, base: Path, /, *, width: int = 32, **changes: Any) -> Path:
    """Both heads and ``eq.json``; ``changes`` replace fields of ``eq.json``."""
    import torch

    from empeval.toolkit import target_fingerprint
    from empeval_heads.bundle import EqFacts, write_eq
    from empeval_heads.facts import KINDS, HeadFacts, write_head
    from empeval_heads.head import Head
    from empeval_heads.labels import EMOTIONS, STRATEGIES

    folder.mkdir(parents=True, exist_ok=True)
    for seed, kind in enumerate(KINDS):
        labels = EMOTIONS if kind == "emotion" else STRATEGIES
        torch.manual_seed(seed)
        head = Head(width, 8, len(labels))
        for weight in head.parameters():
            torch.nn.init.normal_(weight, std=0.3)
        facts = HeadFacts(
            kind=kind,
            labels=labels,
            base=str(base),
            base_fingerprint=target_fingerprint(str(base)),
            width=width,
            hidden=8,
            max_length=200,
        )
        write_head(folder, facts, head.state_dict())
    fields: dict[str, Any] = {
        "base": str(base),
        "empathy_classes": ("caring", "sadness"),
        "phases": (2, 4),
        "ratings": {
            name: tuple((r + index / 20) % 1 for r in RATINGS)
            for index, name in enumerate(STRATEGIES)
        },
    }
    write_eq(folder, EqFacts(**(fields | changes)))
    return folder
