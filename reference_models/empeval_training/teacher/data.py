"""Rated sets and free turns as batches of the teacher."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from empeval import UsageError, load_rows
from empeval.auditing.layouts import read_layout, read_rows_of
from empeval.auditing.rated import RatedSet
from empeval_empathy.views import Dialogue, Row, ViewBuilder
from empeval_training.data import Tensors
from empeval_training.examples import Donors, human_examples
from empeval_training.teacher.targets import (
    HEADS,
    MECHANISM_KEEPS,
    Group,
    TeacherRow,
    free_group,
)

ESCONV = "thu-coai/esconv"


def read_rated_sets(folder: Path) -> list[RatedSet]:
    """Every rated set in a folder, and ESConv's feedback from where data sets are.

    Raises:
        UsageError: the folder has no file of a published layout that the teacher learns from.
        DataError: a row is not what it should be.
    """
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of rated replies.")
    found = [read_layout(path) for path in sorted(folder.iterdir()) if path.is_file()]
    sets = [one for one in found if one is not None]
    wanted = {head.rated_set for head in HEADS if head.rated_set}
    lacking = sorted(wanted - {s.name for s in sets} - {"esconv-feedback"})
    if lacking:
        raise UsageError(f"{folder} lacks the rated sets {', '.join(lacking)}.")
    rows = [
        row
        for split in ("validation", "test")
        for row in load_rows(ESCONV, (f"{split}.jsonl", f"{split}.txt", f"*/{split}*.parquet"))
    ]
    return [*sets, read_rows_of("esconv-feedback", rows, ESCONV)]


def free_groups(count: int, taken: frozenset[str], seed: int, split: str = "train") -> list[Group]:
    """So many turns of EmpatheticDialogues in no rated conversation, with counterfactuals."""
    if not count:
        return []
    every = [e for e in human_examples(split, None, seed) if e.conversation not in taken]
    donors = Donors(every)
    dice = random.Random(seed)  # noqa: S311 - no secret
    groups = []
    for turn in dice.sample(every, min(count, len(every))):
        emotions = (dice.choice(donors.emotions), turn.emotion)
        strangers = [donors.draw(turn, emotion, dice) for emotion in emotions]
        found = [reply for reply in strangers if reply is not None]
        if found:
            groups.append(free_group(turn.context, turn.reply, found, dice))
    return groups


def with_strangers(count: int, seed: int = 0) -> tuple[list[TeacherRow], list[TeacherRow]]:
    """So many people's replies of EmpatheticDialogues' validation split, and with each a reply
    to another conversation in its place.
    """
    every = human_examples("validation", None, seed)
    donors = Donors(every)
    dice = random.Random(seed)  # noqa: S311 - no secret
    own, other = [], []
    for turn in dice.sample(every, min(count, len(every))):
        reply = donors.draw(turn, dice.choice(donors.emotions), dice)
        if reply is not None and reply != turn.reply:
            own.append(TeacherRow(turn.context, turn.reply))
            other.append(TeacherRow(turn.context, reply))
    return own, other


class Groups:
    """Groups as a map-style data set, with the tokens of the longest row for batching."""

    def __init__(self, groups: Sequence[Group], views: ViewBuilder) -> None:
        self.rows: list[list[Row]] = []
        self.groups = list(groups)
        flat = [row for group in groups for row in group.rows]
        built = iter(full_rows(flat, views))
        for group in groups:
            self.rows.append([next(built) for _ in group.rows])
        self.lengths = [max(len(row.ids) for row in rows) for rows in self.rows]

    def __len__(self) -> int:
        return len(self.groups)

    def __getitem__(self, index: int) -> tuple[Group, list[Row]]:
        return self.groups[index], self.rows[index]


def full_rows(rows: Sequence[TeacherRow], views: ViewBuilder) -> list[Row]:
    """Context and reply of each, as tokens."""
    return [v.full for v in views.build([Dialogue(row.context, row.reply) for row in rows])]


class GroupCollator:
    """Groups as one batch: all rows, what was said of them, pairs.

    Args:
        tensors: makes tensors of rows of tokens: the tokens, or their states above frozen layers.
    """

    def __init__(self, tensors: Tensors) -> None:
        self._tensors = tensors

    def __call__(self, batch: Sequence[tuple[Group, list[Row]]]) -> dict[str, Any]:
        """The arguments of ``Teacher.forward``."""
        rows: list[Row] = []
        targets: list[tuple[int, int, int, int]] = []
        ratings: list[float] = []
        pairs: list[tuple[int, int]] = []
        same: list[tuple[int, int, int]] = []
        for number, (group, own) in enumerate(batch):
            start = len(rows)
            rows += own
            for place, row in enumerate(group.rows):
                for head, rating, rater in row.targets:
                    targets.append((start + place, head, rater, number))
                    ratings.append(rating)
            pairs += [(start + a, start + b) for a, b in group.pairs]
            same += [(start + a, start + b, int(k in MECHANISM_KEEPS)) for a, b, k in group.same]
        return {
            "rows": self.tensors(rows),
            "targets": torch.tensor(targets, dtype=torch.long).reshape(-1, 4),
            "ratings": torch.tensor(ratings, dtype=torch.float32),
            "pairs": torch.tensor(pairs, dtype=torch.long).reshape(-1, 2),
            "same": torch.tensor(same, dtype=torch.long).reshape(-1, 3),
        }

    def tensors(self, rows: Sequence[Row]) -> Mapping[str, torch.Tensor]:
        """What the encoder reads of rows, and which of their tokens are the reply's."""
        tensors = self._tensors(rows)
        mask = torch.zeros_like(tensors["attention_mask"])
        for place, row in enumerate(rows):
            mask[place, row.reply_start or 0 : len(row.ids)] = 1
        return {**tensors, "reply_mask": mask}
