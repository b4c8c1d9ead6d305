"""Model cards of adapters and heads, written from what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tabulate import tabulate

from empeval.files import write_text
from empeval_training.eq.chats import LICENSES
from empeval_training.eq.prepare import Made
from empeval_training.eq.recipes import named

ADAPTER = """---
license: cc-by-nc-4.0
language: en
library_name: peft
tags:
- empathy
- empeval
- {step}
---

# {title}

A LoRA adapter on `{base}`, trained by empeval's recipe `{step}`. It writes replies to people who
tell about their feelings; it is a research model, not a counsellor, and must not stand in for one.

## Use

    empeval run --model hf:BASE --model-args adapter=FOLDER --tasks ed-empathy

## Measured

On {n} held-out rows, before and after training:

{metrics}

## Training

* data: `{data}` ({examples} examples), seed {seed}
* {seconds:.0f} s on {device} through {backend}{quantized}, peak memory {peak_memory_gb} GB
* recipe:

{recipe}

## Licences

{licenses}

The weights follow the data: non-commercial use.
"""

HEADS = """---
license: cc-by-nc-4.0
language: en
tags:
- empathy
- empeval
---

# Emotion and strategy heads

`LayerNorm -> Linear -> ReLU -> Linear` on the frozen, pooled states of `{base}` after the layers
named below: 28 GoEmotions classes (several may hold), and the 8 support strategies of ESConv (one
holds). Of several layers, alone and side by side, those that read validation best were kept; each
emotion has a threshold of its own, chosen on validation.

## Use

    empeval score empeval-runs/NAME --scorers eq:FOLDER

or `torch.load("emotion-head.pt", weights_only=True)`.

## Measured

On the test splits. `majority` always says the commonest class; an emotion's accuracy counts
comments whose set of emotions is exactly right.

{metrics}

## The EQ score

`EQ = empathy_mass + 0.3 * alignment`. Empathy classes: {classes}; {chosen_by}. It counts words of
feeling and not whether they fit: a small model that repeats formulas of sympathy scores above
people.

## Training

* seed {seed}, {seconds:.0f} s{reused}, peak memory {peak_memory_gb} GB
* recipe:

{recipe}

## Licences

{licenses}

The weights follow the data: non-commercial use.
"""


def write_adapter_card(folder: Path, answer: dict[str, Any], made: Made) -> None:
    """Write ``README.md`` into an adapter's folder."""
    recipe = answer["recipe"]
    sides = {side: answer["figures"][side] for side in ("before", "after")}
    names = [name for name, value in sides["before"].items() if isinstance(value, float)]
    rows = [[name, *(f"{sides[side][name]:.4f}" for side in sides)] for name in names]
    text = ADAPTER.format(
        title="SFT adapter" if answer["step"] == "sft" else "DPO adapter",
        base=recipe["base"],
        n=answer["figures"]["n"],
        metrics=tabulate(
            rows, headers=["figure", *sides], tablefmt="github", disable_numparse=True
        ),
        examples=answer["training_examples"],
        quantized=", base in four bits" if answer["quantized"] else "",
        recipe=_listed(recipe),
        licenses=_licenses(made.licenses),
        **{
            key: answer[key]
            for key in ("step", "data", "seed", "seconds", "device", "backend", "peak_memory_gb")
        },
    )
    write_text(folder / "README.md", text)


def write_heads_card(folder: Path, answer: dict[str, Any]) -> None:
    """Write ``README.md`` into a folder of heads."""
    rows = [
        [
            kind,
            named(f["layers"]),
            f["training"],
            f["n"],
            *(
                f"{f[k]:.4f}"
                for k in ("macro_f1", "accuracy", "majority_macro_f1", "majority_accuracy")
            ),
        ]
        for kind, f in answer["figures"].items()
    ]
    headers = ["head", "layer", "trained on", "n", "macro-F1", "accuracy", "majority macro-F1",
               "majority accuracy"]  # fmt: skip
    text = HEADS.format(
        base=answer["recipe"]["base"],
        metrics=tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True),
        classes=", ".join(answer["empathy_classes"]),
        reused=" with embeddings of an earlier call" if answer["embeddings_reused"] else "",
        recipe=_listed(answer["recipe"]),
        licenses=_licenses({k: v for k, v in LICENSES.items() if "dialogues" not in k}),
        **{key: answer[key] for key in ("chosen_by", "seed", "seconds", "peak_memory_gb")},
    )
    write_text(folder / "README.md", text)


def _listed(recipe: dict[str, Any]) -> str:
    return "\n".join(f"      {key} = {value}" for key, value in recipe.items())


def _licenses(licenses: dict[str, str]) -> str:
    return "\n".join(f"* {name}: {terms}" for name, terms in licenses.items())
