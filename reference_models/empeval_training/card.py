"""The model card of a checkpoint, written from what was measured of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tabulate import tabulate

from empeval.files import write_text
from empeval.models import find
from empeval.toolkit import PACKAGED
from empeval_training.data import GOEMOTIONS, PEOPLE, VALIDATION, Prepared

TITLES = {
    "baseline": "Baseline multitask",
    "stm": "STM (sequential transfer)",
    "mvc": "MVC (multi-view cascade)",
}

LABELS = {
    "teacher": "people's ratings and a teacher's labels of EmpatheticDialogues",
    "bundled-and-people": "people's ratings and a teacher's labels of EmpatheticDialogues",
    "bundled": "a teacher's labels of EmpatheticDialogues",
}
TEMPLATE = """---
license: cc-by-nc-4.0
language: en
datasets:
- facebook/empathetic_dialogues
{comments}{base}tags:
- empathy
- empeval
---

# {title}

Predicts how empathetic a reply in a conversation is (1-5), EPITOME's mechanisms (0-2) and which of
32 emotions the speaker has. Trained by empeval's recipe `{model}` on {labels}; it is a judge
for comparing models, not a measure of a person, and its training text is English chat between
strangers and posts of people who seek support.

## Use

    empeval run --model hf:org/name --tasks ed-empathy --scorers {model}:FOLDER

or from Python `empeval_empathy.checkpoints.load_checkpoint("FOLDER")`.

## Measured

On the test split, against the labels (`MAE of median` is the error of always predicting the median
label):

{metrics}
{people}
## Training

* data: `{data}` ({examples} examples, seed {seed}, {seconds:.0f} s on {device})
* emotions: {emotions}
* recipe:

{recipe}

## Licences

{licenses}

The weights follow the data: non-commercial use.
"""


HUB = "https://huggingface.co/"


def write_card(folder: Path, result: dict[str, Any], prepared: Prepared) -> None:
    """Write ``README.md`` into a checkpoint's folder."""
    recipe = result["recipe"]
    rows = [
        [
            part,
            f["n"],
            *(f"{f[k]:.4f}" for k in ("mae", "spearman", "emotion_accuracy", "mae_of_median")),
        ]
        for part, f in result["figures"].items()
        if part not in (PEOPLE, VALIDATION)
    ]
    headers = ["replies", "n", "MAE", "Spearman", "emotion accuracy", "MAE of median"]
    text = TEMPLATE.format(
        comments=f"- {GOEMOTIONS}\n" if recipe["pretrain_epochs"] else "",
        base=_base_model(recipe["encoder"]),
        title=TITLES[recipe["model"]],
        model=recipe["model"],
        labels=LABELS.get(prepared.labeller, LABELS["teacher"]),
        metrics=tabulate(rows, headers=headers, tablefmt="github", disable_numparse=True),
        people=_people(result["figures"].get(PEOPLE), recipe["model"]),
        data=result["data"],
        examples=result["training_examples"],
        seed=result["seed"],
        seconds=result["seconds"],
        device=result["device"],
        emotions=len(prepared.emotions),
        recipe="\n".join(f"      {k} = {v}" for k, v in recipe.items()),
        licenses="\n".join(f"* {name}: {terms}" for name, terms in prepared.licenses.items()),
    )
    write_text(folder / "README.md", text)


def _people(metrics: dict[str, float] | None, model: str) -> str:
    if not metrics:
        return ""
    said = ", ".join(f"{name} {value:.3f}" for name, value in metrics.items())
    return (
        "\nSpearman with what people said of replies on the test part of rated sets (see "
        f"`empeval show\n{model}` for intervals and ceilings): {said}.\n"
    )


def _base_model(encoder: str) -> str:
    """The card's line that names the encoder on the hub; empty for a local folder."""
    if encoder.startswith(PACKAGED):
        source = find(encoder.removeprefix(PACKAGED)).source
        encoder = source.removeprefix(HUB) if source.startswith(HUB) else ""
    elif Path(encoder).is_dir():
        encoder = ""
    return f"base_model: {encoder}\n" if encoder else ""
