"""Answers that failed, were cut or repeat each other: rates of their own."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from empeval.comparing.estimating import mcnemar
from empeval.comparing.joined import Answer, Joined, RunFiles
from empeval.comparing.records import Rate
from empeval.estimates import inside, mean_of, t_p

STATUSES = ("truncated", "empty", "missing", "error")
UNPARSED = "unparsed"
"""Answers without a score by one of the scorers or more, in whatever way."""
FAILURES = ("unparsed", "refused", "truncated", "error")


def rates(base: RunFiles, candidate: RunFiles, joined: Joined) -> list[Rate]:
    """How often answers of each kind are, where either run has one."""
    kinds = {status: _status(status, joined) for status in STATUSES}
    kinds["repeated"] = _repeated(joined.base), _repeated(joined.candidate)
    ours = base.run.manifest.scorers.get(joined.task, {})
    theirs = candidate.run.manifest.scorers.get(joined.task, {})
    labels = [label for label in ours if label in theirs]
    kinds[UNPARSED] = _unscored(base, joined, labels), _unscored(candidate, joined, labels)
    for label in labels:
        for status in FAILURES:
            kinds[f"{label}: {status}"] = (
                _scored(base, joined, label, status),
                _scored(candidate, joined, label, status),
            )
    return [
        _rate(joined, kind, before, after)
        for kind, (before, after) in kinds.items()
        if before.any() or after.any()
    ]


def _status(status: str, joined: Joined) -> tuple[np.ndarray, np.ndarray]:
    before, after = (
        np.array([answer.status == status for answer in answers])
        for answers in (joined.base, joined.candidate)
    )
    return before, after


def _repeated(answers: Sequence[Answer]) -> np.ndarray:
    texts = [_digest(answer.response.strip()) for answer in answers]
    counts = Counter(texts)
    return np.array([bool(text) and counts[text] > 1 for text in texts])


def _digest(text: str) -> bytes:
    """What stands for a text, so that texts need not be held: nothing for nothing."""
    return hashlib.sha256(text.encode()).digest() if text else b""


def _scored(files: RunFiles, joined: Joined, label: str, status: str) -> np.ndarray:
    scores = files.scores(joined.task, label)
    return np.array([scores.status_of(name) == status for name in joined.ids])


def _unscored(files: RunFiles, joined: Joined, labels: Sequence[str]) -> np.ndarray:
    """Whether each answer has no score of status ``ok`` by one of the scorers or more."""
    lacking = np.zeros(len(joined.ids), dtype=bool)
    for label in labels:
        scores = files.scores(joined.task, label)
        lacking |= [scores.status_of(name) != "ok" for name in joined.ids]
    return lacking


def _rate(joined: Joined, kind: str, before: np.ndarray, after: np.ndarray) -> Rate:
    differences = 100.0 * (after.astype(float) - before.astype(float))
    change = inside(mean_of(differences, joined.clusters), differences, -100, 100)
    single = len(joined.ids) == joined.n_clusters
    return Rate(
        task=joined.task,
        kind=kind,
        base=100 * float(before.mean()),
        candidate=100 * float(after.mean()),
        change=change,
        p=mcnemar(before, after) if single else t_p(change),
    )
