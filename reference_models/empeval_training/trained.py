"""Tables of training runs for ``RESULTS.md``: the three models beside their authors' figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from empeval_empathy.emotions import MECHANISMS
from empeval_training.judges import grid
from empeval_training.recipe import MODELS

AUTHORS = {
    "baseline": (0.3977, 0.7396, 0.4150),
    "stm": (0.4946, 0.7077, 0.3951),
    "mvc": (0.3338, 0.7574, 0.4148),
}
"""MAE, Spearman and emotion accuracy as the models' authors state them, means of three seeds on
labels of their own that are not published."""

AUTHORS_SWEEP = {
    "0.3": (0.4033, 0.7091, 0.4305),
    "0.1": (0.3404, 0.7505, 0.4529),
    "0.05": (0.3576, 0.7222, 0.2691),
}
CLAIMS = (
    ("MVC has a lower MAE than Baseline", "mvc", "baseline", "mae", -1),
    ("MVC has a higher Spearman than Baseline", "mvc", "baseline", "spearman", 1),
    ("STM has a higher MAE than Baseline", "stm", "baseline", "mae", 1),
    ("STM has a lower Spearman than Baseline", "stm", "baseline", "spearman", -1),
    ("STM has a lower emotion accuracy than Baseline", "stm", "baseline", "emotion_accuracy", -1),
)
"""What the authors' figures say: better, worse, in what, and the sign of first less second."""

SHIPPED = 0.1
"""The weight of the emotion loss (``lambda_emo``) of the checkpoints that ship."""
COLLAPSED = 0.15
"""Below this Spearman a model has learned nothing to speak of."""

RATED_AS = ("exchanges-1-5", "ratings-1-3", *MECHANISMS, "mechanisms")


def _chosen(results: Sequence[dict[str, Any]], model: str) -> list[dict[str, Any]]:
    """A model's runs with the weight that ships."""
    return [
        run
        for run in results
        if run["recipe"]["model"] == model and abs(run["recipe"]["lambda_emo"] - SHIPPED) < 1e-9
    ]


def _by_model(results: Sequence[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    return [(model, own) for model in MODELS if (own := _chosen(results, model))]


def _spread(values: Sequence[float]) -> str:
    spread = f" (sd {np.std(values, ddof=1):.4f})" if len(values) > 1 else ""
    return f"{np.mean(values):.4f}{spread}"


def models_table(results: Sequence[dict[str, Any]], part: str) -> str:
    """MAE, Spearman and emotion accuracy on replies of the test split, ``human`` or ``all``."""
    rows = []
    for model, own in _by_model(results):
        names = ("mae", "spearman", "emotion_accuracy")
        cells = [_spread([r["figures"][part][name] for r in own]) for name in names]
        metrics = own[0]["figures"][part]
        seeds = ", ".join(str(r["seed"]) for r in own)
        stated = "/".join(f"{x:.4f}" for x in AUTHORS[model])
        rows.append([model, seeds, metrics["n"], *cells, f"{metrics['mae_of_median']:.4f}", stated])
    headers = ["model", "seeds", "n", "MAE", "Spearman", "emotion accuracy", "median", "authors'"]
    return grid(rows, headers)


def mechanisms_table(results: Sequence[dict[str, Any]]) -> str:
    """Spearman of the mechanisms with the labels, on the human replies."""
    rows = [
        [
            model,
            *(_spread([r["figures"]["human"][m] for r in own]) for m in MECHANISMS),
        ]
        for model, own in _by_model(results)
    ]
    return grid(rows, ["model", *MECHANISMS])


def people_table(results: Sequence[dict[str, Any]], part: str) -> str:
    """Spearman with people's ratings, run by run, on the part ``PEOPLE`` or ``VALIDATION``."""
    rows = []
    for model, every in _by_model(results):
        for own in every:
            metrics = own["figures"][part]
            rows.append([f"{model}, seed {own['seed']}", *(f"{metrics[n]:.3f}" for n in RATED_AS)])
        if len(every) > 1:
            cells = [_spread([r["figures"][part][n] for r in every]) for n in RATED_AS]
            rows.append([f"{model}, over seeds", *cells])
    return grid(rows, ["", *RATED_AS])


def claims(results: Sequence[dict[str, Any]]) -> str:
    """Which of the authors' claims hold, seed by seed."""
    rows = []
    for claim, first, second, name, sign in CLAIMS:
        one, other = (
            {r["seed"]: r["figures"]["human"][name] for r in _chosen(results, model)}
            for model in (first, second)
        )
        shared = sorted(one.keys() & other.keys())
        if not shared:
            continue
        gaps = [one[seed] - other[seed] for seed in shared]
        held = sum(sign * gap > 0 for gap in gaps)
        shown = ", ".join(f"{gap:+.4f}" for gap in gaps)
        verdict = "holds" if held == len(gaps) else "does not hold" if not held else "undecided"
        rows.append([claim, shown, f"{held} of {len(gaps)} seeds", verdict])
    return grid(rows, ["claim", "differences", "with the claim", ""])


def recipes(results: Sequence[dict[str, Any]]) -> str:
    """What each model learned, how long and on what."""
    parts = []
    for model in MODELS:
        for run in _chosen(results, model)[:1]:
            recipe = run["recipe"]
            frozen = recipe["frozen_layers"]
            where = f"above {frozen} frozen layers" if frozen else "in all layers"
            people = ""
            if recipe["people_epochs"]:
                people = (
                    f", then {recipe['people_epochs']:g} of what people rated (each reply "
                    f"{recipe['rated_repeats']} times)"
                )
            if recipe.get("topic_epochs"):  # runs of before do not have it
                people += f", then {recipe['topic_epochs']:g} of which reply was given where"
            parts.append(
                f"{model}: {recipe['encoder']}, {recipe['method']} (rank {recipe['lora_rank']}) "
                f"{where}, {recipe['epochs']:g} epochs of {run['training_examples']} examples"
                f"{people}, batch {recipe['batch_size']}, lr "
                f"{recipe['learning_rate']:g}, {run['seconds']:.0f} s on {run['device']}"
            )
    return "; ".join(parts) + "."


def missing(results: Sequence[dict[str, Any]]) -> str:
    """A sentence on models without a run; empty where each has one."""
    lacking = [model for model in MODELS if not _chosen(results, model)]
    if not lacking:
        return ""
    have = "has" if len(lacking) == 1 else "have"
    return (
        f" {' and '.join(lacking)} {have} no run on these labels; what ships of it learned "
        "labels of before, and stands in the tables of shipped checkpoints below."
    )


def sweep_table(results: Sequence[dict[str, Any]]) -> str:
    """MVC by the weight of the emotion loss, and which trainings failed."""
    rows, failed = [], []
    own = [r for r in results if r["recipe"]["model"] == "mvc"]
    for run in sorted(own, key=lambda r: (-r["recipe"]["lambda_emo"], r["seed"])):
        weight, metrics = run["recipe"]["lambda_emo"], run["figures"]["human"]
        stated = AUTHORS_SWEEP.get(f"{weight:g}")
        rows.append(
            [
                f"{weight:g}",
                run["seed"],
                *(f"{metrics[n]:.4f}" for n in ("mae", "spearman", "emotion_accuracy")),
                "/".join(f"{x:.4f}" for x in stated) if stated else "-",
            ]
        )
        # against single noisy ratings even a good model's MAE may be above the median's
        if metrics["mae"] > metrics["mae_of_median"] and metrics["spearman"] < COLLAPSED:
            failed.append(f"{weight:g} (seed {run['seed']})")
    headers = ["lambda_emo", "seed", "MAE", "Spearman", "emotion accuracy", "authors'"]
    text = f"Human replies of the test split.\n\n{grid(rows, headers)}"
    if failed:
        text += (
            f"\n\nWith {', '.join(failed)} the training failed: the MAE is above that of the "
            "median label and the order says next to nothing. Another seed with the same weight "
            "stands beside it."
        )
    return text
