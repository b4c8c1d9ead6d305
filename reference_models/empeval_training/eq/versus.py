"""The EQ score of people's replies against models' replies to the same items, and before and after.

People wrote the replies that a score of empathy should not put below a small model's formulas. So
each model's replies are compared with people's by several heads: those that are being reported,
and earlier ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from empeval import Item, Run, cluster_mean
from empeval_heads.facts import KINDS, find_file, read_facts
from empeval_training.agreement import Agreement, Statistic, bracketed, pairwise, spearman
from empeval_training.eq.choosing import EPITOME
from empeval_training.eq.people import kept_terms
from empeval_training.judges import grid
from empeval_training.ratings import Rated

TASK = "ed-empathy"
FIGURES = ("eq", "empathy_mass")


@dataclass(frozen=True)
class Reply:
    """A reply to an item, as the judges of rated replies take it.

    Attributes:
        id: of the item. context: the turns before the reply. reply: its text.
        cluster: of the item.
    """

    id: str
    context: tuple[str, ...]
    reply: str
    cluster: str


def replies_of(run: Run) -> dict[str, Reply]:
    """A run's usable replies to ``ed-empathy``, item -> reply; empty where it was not asked."""
    if TASK not in run.manifest.tasks:
        return {}
    return {
        line.id: _reply(line.item, line.response, line.item.cluster)
        for line in run.responses(TASK)
        if line.status == "ok" and line.response.strip()
    }


def people_of(run: Run) -> dict[str, Reply]:
    """People's replies to the items that a run was asked, item -> reply."""
    if TASK not in run.manifest.tasks:
        return {}
    return {
        line.id: _reply(line.item, line.item.reference, line.item.cluster)
        for line in run.responses(TASK)
        if line.item.reference and line.item.reference.strip()
    }


def against_table(cache: Path, judges: Mapping[str, Path], runs: Mapping[str, Run]) -> str:
    """EQ of people and of each run's replies to the same items, by each of several heads.

    Args:
        cache: the folder of heads that keeps what is said.
        judges: name -> folder of heads.
        runs: name -> run folder; one without ``ed-empathy`` is left out, and so is one whose
            replies are people's.
    """
    rows = []
    for run_name, run in runs.items():
        own, people = replies_of(run), people_of(run)
        shared = [n for n in own if n in people]
        if not shared or all(own[n].reply == people[n].reply for n in shared):
            continue
        clusters = [own[n].cluster for n in shared]
        for judge, folder in judges.items():
            said = [
                kept_terms(cache, folder, f"{run_name}-{side}", [replies[n] for n in shared])
                for side, replies in (("people", people), ("model", own))
            ]
            for figure in FIGURES:
                human, model = said[0][figure], said[1][figure]
                wins = (np.sign(human - model) + 1) / 2
                rows.append(
                    [run_name, figure, judge, len(shared),
                     *(bracketed(*cluster_mean(list(x), clusters))
                       for x in (human, model, human - model, wins))]
                )  # fmt: skip
    headers = ["replies of", "figure", "heads", "n", "people", "model", "people - model",
               "people's first"]  # fmt: skip
    return grid(rows, headers) if rows else "No run has replies of a model to `ed-empathy`."


def agreement_table(cache: Path, judges: Mapping[str, Path], rated: Sequence[Rated]) -> str:
    """How far the score of several heads agrees with people, by source of ratings.

    Args:
        cache: the folder of heads that keeps what is said.
        judges: name -> folder of heads.
        rated: replies that people rated.
    """
    columns: dict[str, tuple[str, Agreement, Statistic]] = {}
    sources: dict[str, list[Rated]] = {}
    for reply in rated:
        sources.setdefault(reply.source, []).append(reply)
    for source, own in sources.items():
        dialogues = [r.dialogue for r in own]
        for name in ("sum", "er") if source == EPITOME else tuple(own[0].values):
            people = Agreement([r.values[name] for r in own], dialogues)
            title = f"{source} {name} (n {len(own)})"
            columns[title] = source, people, spearman
            if source != EPITOME and len(set(dialogues)) < len(dialogues) / 2:
                columns[f"{source}, pairs within a dialogue"] = source, people, pairwise
    rows = []
    for judge, folder in judges.items():
        said = {name: kept_terms(cache, folder, name, own) for name, own in sources.items()}
        rows += [
            [
                figure,
                judge,
                *(str(p.estimate(how, said[name][figure])) for name, p, how in columns.values()),
            ]
            for figure in FIGURES
        ]
    return grid(rows, ["figure", "heads", *columns])


def head_rows(folder: Path, name: str) -> list[list[str]]:
    """Macro-F1 and accuracy on the test splits that the heads of a folder state of themselves."""
    rows = []
    for kind in KINDS:
        facts = read_facts(find_file(folder, kind), kind)
        layers = "+".join(map(str, facts.layers)) or "last"
        metrics = [facts.metrics.get(figure) for figure in ("macro_f1", "accuracy")]
        rows.append([kind, name, layers, *("-" if x is None else f"{x:.4f}" for x in metrics)])
    return rows


def versions_table(judges: Mapping[str, Path]) -> str:
    """The heads of several folders beside each other."""
    rows = [row for name, folder in judges.items() for row in head_rows(folder, name)]
    rows.sort(key=lambda row: row[0])
    return grid(rows, ["head", "heads", "layer", "macro-F1", "accuracy"])


def _reply(item: Item, text: str | None, cluster: str) -> Reply:
    turns = tuple(m.content for m in item.messages if m.role != "system")
    return Reply(item.id, turns, text or "", cluster)
