"""Rated replies and human replies as every judge scores them, against what people said."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec.structs import replace

from empeval_training.agreement import Agreement, Estimate, pairwise, spearman
from empeval_training.examples import Donors, Example
from empeval_training.judges import RIVALS, Judged, Scores, grid
from empeval_training.ratings import MECHANISMS, Rated


class People:
    """Scores of rated replies by every judge, and what people said of them."""

    def __init__(
        self,
        judges: Mapping[str, Scores],
        posts: Sequence[Rated],
        replies: Sequence[Rated],
        turns: Sequence[Example],
    ) -> None:
        dialogues = [r.dialogue for r in posts]
        self._sources: dict[str, tuple[Agreement, Any, Sequence[Judged]]] = {
            "EPITOME sum": (
                Agreement([r.values["sum"] for r in posts], dialogues),
                spearman,
                posts,
            )
        }
        for mechanism in MECHANISMS:
            own = Agreement([r.values[mechanism] for r in posts], dialogues)
            self._sources[mechanism.upper()] = (own, spearman, posts)
        rating = Agreement([r.values["rating"] for r in replies], [r.dialogue for r in replies])
        self._sources["ratings 1-3"] = (rating, spearman, replies)
        self._sources["pairs"] = (rating, pairwise, replies)
        self._replies = replies
        scored = {name: (judge(posts), judge(replies)) for name, judge in judges.items()}
        self._scores = {
            name: {
                source: mine if who is posts else theirs
                for source, (_, _, who) in self._sources.items()
            }
            for name, (mine, theirs) in scored.items()
        }
        self._beats = {name: beats_another(judge, turns) for name, judge in judges.items()}

    def table(self) -> str:
        """Every judge's agreement with every kind of rating."""
        rows = []
        for name, scores in self._scores.items():
            cells = [
                str(agreement.estimate(statistic, scores[source]))
                for source, (agreement, statistic, _) in self._sources.items()
            ]
            rows.append([name, *cells, str(self._beats[name])])
        return grid(rows, ["scorer", *self._sources, "beats another"])

    def count_pairs(self) -> int:
        """Pairs of replies to one dialogue that people rated differently."""
        by_dialogue: dict[str, list[float]] = {}
        for reply in self._replies:
            by_dialogue.setdefault(reply.dialogue, []).append(reply.values["rating"])
        return sum(
            a != b
            for ratings in by_dialogue.values()
            for place, a in enumerate(ratings)
            for b in ratings[:place]
        )

    def differences(self) -> str:
        """MVC less each rival, resampled together."""
        rows = []
        for rival in RIVALS:
            cells = [
                str(
                    agreement.difference(
                        statistic, self._scores["mvc"][source], self._scores[rival][source]
                    )
                )
                for source, (agreement, statistic, _) in self._sources.items()
            ]
            rows.append([f"mvc - {rival}", *cells])
        return grid(rows, ["", *self._sources])

    def verdict(self) -> str:
        """Whether MVC is significantly above every rival where that is claimed."""
        lines = []
        for source in ("EPITOME sum", "ratings 1-3", "pairs"):
            agreement, statistic, _ = self._sources[source]
            lost = [
                rival
                for rival in RIVALS
                if agreement.difference(
                    statistic, self._scores["mvc"][source], self._scores[rival][source]
                ).low
                <= 0
            ]
            lines.append(
                f"* {source}: MVC is not significantly above {', '.join(lost)}."
                if lost
                else f"* {source}: MVC is significantly above every rival (95 %)."
            )
        return "\n".join(lines)


def beats_another(judge: Scores, turns: Sequence[Example]) -> Estimate:
    """How often the human reply is scored above a reply to another conversation."""
    donors = Donors(turns)
    dice = random.Random(0)  # noqa: S311 - no secret hangs on it
    pairs = []
    for turn in turns:
        reply = donors.draw(turn, dice.choice(donors.emotions), dice)
        if reply is not None and reply != turn.reply:
            pairs.append((turn, replace(turn, reply=reply)))
    own = judge([a for a, _ in pairs])
    other = judge([b for _, b in pairs])
    wins = (1 + np.sign(own - other)) / 2
    conversations = [a.conversation for a, _ in pairs]

    def share(scores: np.ndarray, values: np.ndarray, dialogues: np.ndarray) -> float:
        return float(scores.mean())

    return Agreement(np.zeros(len(pairs)).tolist(), conversations).estimate(share, wins)
