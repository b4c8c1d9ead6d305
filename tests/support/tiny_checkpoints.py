"""Random empathy checkpoints of a few thousand weights, whose scores differ all the same."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path

from support.tiny_encoder import make_tiny_encoder

SCORERS = {"baseline": "shared", "stm": "shared", "mvc": "cascade"}
"""Architectures by scorer."""


SCALES = [
    {"name": "emotional_reaction", "low": 0, "high": 2, "weight": 0.7},
    {"name": "interpretation", "low": 0, "high": 2, "weight": 0.7},
    {"name": "exploration", "low": 0, "high": 2, "weight": 1.0},
    {"name": "ratings", "low": 1, "high": 3, "weight": 1.0},
    {"name": "relevance", "low": 0, "high": 1, "weight": 1.0},
    {"name": "label", "low": 1, "high": 5, "weight": 0.5},
]


def make_lively_encoder(folder: Path, kind: str) -> Path:
    """A tiny encoder whose every vector depends on all of its words, and not a little."""
    from safetensors.numpy import load_file, save_file

    weights = load_file(make_tiny_encoder(folder, kind) / "model.safetensors")
    strong = {name: 10 * w if w.ndim == 2 else w for name, w in weights.items()}
    save_file(strong, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def make_tiny_checkpoint(folder: Path, encoder: Path, architecture: str, pooling="mean") -> Path:
    """A full checkpoint on a tiny encoder, as ``empeval train`` leaves one."""
    from transformers import AutoTokenizer

    network(encoder, architecture, pooling).save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder


def as_before(folder: Path, encoder: Path, architecture: str, *, mechanisms: bool) -> Path:
    """A checkpoint as ``empeval train`` once left one: a regression of empathy, no scales."""
    from transformers import AutoTokenizer

    network(encoder, architecture, "mean", scales=None, mechanisms=mechanisms).save_pretrained(
        folder
    )
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder


def make_tiny_adapter(folder: Path, encoder: Path, architecture: str, pooling="mean") -> Path:
    """An adapter checkpoint; beside it, as ``full``, the full one that says the same."""
    import torch
    from transformers import AutoTokenizer

    from empeval_training.networks import adapt, save_adapter
    from empeval_training.recipe import Recipe

    recipe = Recipe(model="mvc", method="lora", lora_rank=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of transformers, about PEFT
        adapted = adapt(network(encoder, architecture, pooling), recipe)
    for name, weight in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
        weight.data = weight.data.half().float() if weight.requires_grad else weight.data
    save_adapter(adapted, str(encoder), folder)
    full = folder.parent / "full"
    adapted.merge_and_unload().save_pretrained(full)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(full)
    return folder


def network(encoder: Path, architecture: str, pooling: str, **fields):
    """A model on the encoder's weights, with heads that have opinions."""
    import torch
    from transformers import AutoModel

    from empeval_empathy.config import EmpathyConfig
    from empeval_empathy.modeling import MODELS
    from empeval_tasks.dialogues import EMOTIONS

    base = AutoModel.from_pretrained(encoder)
    config = EmpathyConfig(
        encoder=base.config.to_dict(),
        encoder_name=str(encoder),
        architecture=architecture,
        pooling=pooling,
        max_length=64,
        id2label=dict(enumerate(EMOTIONS)),
        label2id={emotion: number for number, emotion in enumerate(EMOTIONS)},
        **({"scales": SCALES} | fields),
    )
    torch.manual_seed(1)
    model = MODELS[architecture](config)
    weights = {k: v for k, v in base.state_dict().items() if not k.startswith("pooler.")}
    model.encoder.load_state_dict(weights)
    for name, weight in model.named_parameters():
        if not name.startswith("encoder."):
            # larger ones would put the expected ratings at the ends of their scales
            torch.nn.init.normal_(weight, std=0.15 if name.startswith("scales.") else 0.4)
    return model.eval()


def changed(checkpoint: Path, folder: Path, **fields) -> Path:
    """A copy of a checkpoint with other fields in its ``config.json``; ``None`` leaves one out."""
    shutil.copytree(checkpoint, folder)
    path = folder / "config.json"
    facts = {**json.loads(path.read_text()), **fields}
    path.write_text(json.dumps({k: v for k, v in facts.items() if v is not None}))
    return folder
