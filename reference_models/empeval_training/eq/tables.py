"""The tables of ``EQ_RESULTS.md``, from what each command wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from empeval import Run
from empeval_heads.bundle import EqFacts
from empeval_heads.variants import eq_label, variants
from empeval_training.agreement import bracketed
from empeval_training.eq.document import NOTHING
from empeval_training.eq.prepare import read_made
from empeval_training.eq.recipes import named
from empeval_training.judges import grid

PUBLISHED = (
    ("emotion", "BERT, fine-tuned whole (Demszky et al. 2020)", "43410", "5427", "0.46", "-"),
    (
        "strategy",
        "RoBERTa-base, fine-tuned whole (CounselReflect, models/emotional_support_strategy)",
        "12759",
        "2895",
        "0.50",
        "0.57",
    ),
)
"""Published figures on the same test splits: head, model, training and test passages, macro-F1,
accuracy. Demszky et al. state theirs for 27 emotions and neutral; CounselReflect's, in the report
of its public repository, is of supporters' turns read alone."""


def heads_table(answer: dict[str, Any]) -> str:
    """Each head beside the majority class and a published model, of what ``heads`` wrote."""
    rows: list[Sequence[Any]] = []
    for kind, f in answer["figures"].items():
        low, high = f["accuracy_interval"]
        accuracy = bracketed(f["accuracy"], low, high, 4)
        rows += [
            [kind, _named(f), f["training"], f["n"], f"{f['macro_f1']:.4f}", accuracy],
            [kind, "always the commonest class", f["training"], f["n"],
             f"{f['majority_macro_f1']:.4f}", f"{f['majority_accuracy']:.4f}"],
            *(row for row in PUBLISHED if row[0] == kind),
        ]  # fmt: skip
    return grid(rows, ["head", "model", "trained on", "test", "macro-F1", "accuracy"])


def _named(metrics: dict[str, Any]) -> str:
    layers = metrics.get("layers")
    return f"this head, after layer {named(layers)}" if layers else "this head"


def layers_table(answer: dict[str, Any]) -> str:
    """Macro-F1 on validation by layers, the kept ones in bold; empty where one layer was tried."""
    scores = {kind: f.get("by_layer", {}) for kind, f in answer["figures"].items()}
    tries = {
        layers: [int(part) for part in layers.split("+")] for s in scores.values() for layers in s
    }
    if len(tries) < 2:
        return ""
    rows = []
    for layers in sorted(tries, key=lambda name: (len(tries[name]), tries[name])):
        row = [layers]
        for kind, tried in scores.items():
            score = f"{tried[layers]:.4f}" if layers in tried else "-"
            kept = named(answer["figures"][kind]["layers"]) == layers
            row.append(f"**{score}**" if kept else score)
        rows.append(row)
    return grid(rows, ["layer", *scores])


def class_list(answer: dict[str, Any]) -> str:
    """F1 of every class, best first, a line a head."""
    lines = []
    for kind, f in answer["figures"].items():
        ranked = sorted(f["f1_by_class"].items(), key=lambda pair: -pair[1])
        lines.append(f"* {kind}: " + ", ".join(f"{name} {score:.2f}" for name, score in ranked))
    return "\n".join(lines)


def ratings_table(facts: EqFacts) -> str:
    """Seekers' expected ratings of the strategies by phase."""
    rows = [[name, *(f"{r:.3f}" for r in row)] for name, row in facts.ratings.items()]
    first, second = facts.phases
    headers = ["", f"turns 1-{first}", f"turns {first + 1}-{second}", "later"]
    return grid(rows, headers)


def mixture_table(folder: Path) -> str:
    """What ``prepare-sft`` drew of each source, beside the formula."""
    made = read_made(folder, "sft")
    rows = [
        [name, s["available"], f"{s['share']:.4f}", s["drawn"], f"{s['drawn'] / made.train:.4f}"]
        for name, s in made.facts["sources"].items()
    ]
    table = grid(rows, ["source", "examples", "p_i by the formula", "drawn", "realised"])
    return f"Temperature {made.facts['temperature']:g}, {made.train} rows.\n\n{table}"


def variants_table(run: Run) -> str:
    """The four variants on each task of a run that ``eq`` scored."""
    parts = []
    for task in run.manifest.tasks:
        if eq_label(run, task) is None:
            continue
        rows = [
            [v.name, v.n, v.failed, bracketed(*v.eq, 4), f"{v.mass:.4f}", f"{v.alignment:.4f}",
             "-" if v.name == "base" else bracketed(*v.less_base, 4)]
            for v in variants(run, task)
        ]  # fmt: skip
        headers = ["variant", "n", "failed", "EQ", "empathy mass", "alignment", "less base"]
        parts.append(f"`{run.manifest.model.title}`, {task}:\n\n{grid(rows, headers)}")
    return "\n\n".join(parts)


def rules_table(answers: Sequence[dict[str, Any]]) -> str:
    """Reward accuracy after DPO by the rule of the rejected reply."""
    rows = [
        [rule, f"{share:.3f}"]
        for answer in answers
        for rule, share in answer["figures"]["after"].get("reward_accuracy_by_rule", {}).items()
    ]
    return grid(rows, ["rule", "reward accuracy"]) if rows else NOTHING


def tuning_table(answers: Sequence[dict[str, Any]]) -> str:
    """Held-out figures before and after each tuning, and what it cost."""
    rows = []
    for answer in answers:
        before, after = answer["figures"]["before"], answer["figures"]["after"]
        rows += [
            [answer["step"], name.replace("_", " "), _side(before, name), _side(after, name)]
            for name, value in before.items()
            if isinstance(value, float)
        ]
        rows.append(
            [answer["step"], "cost", "", f"{answer['training_examples']} examples, "
             f"{answer['seconds']:.0f} s on {answer['device']}, {answer['peak_memory_gb']} GB"]
        )  # fmt: skip
    return grid(rows, ["step", "held-out figure", "before", "after"])


def _side(metrics: dict[str, Any], name: str) -> str:
    low, high = metrics.get(f"{name}_interval") or (None, None)
    return bracketed(metrics[name], low, high, 4)
