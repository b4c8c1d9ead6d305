"""What a scorer costs: time here, memory in a process of its own."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec
import numpy as np

from empeval.asked import AskedScorer
from empeval.auditing.asking import Text, sample
from empeval.certificates import KnownEstimate
from empeval.errors import EmpevalError
from empeval.memory import peak_memory
from empeval.records import Interval
from empeval.scoring import score_chunk

ALONE, BULK, BATCH, ROUNDS = 40, 128, 32, 5
LONGEST = 30.0
"""Seconds after which a kind of timing stops, with what it has."""

PATIENCE = 900


class Request(msgspec.Struct, frozen=True):
    """What the other process is asked: score these texts."""

    scorer: str
    texts: tuple[Text, ...]


class Elsewhere(msgspec.Struct, frozen=True):
    """What it answers.

    Attributes:
        peak_bytes: the most memory that it held.
        values: key of a text -> values; ``None`` where it failed.
        problem: why it failed.
    """

    peak_bytes: int | None = None
    values: dict[str, dict[str, float]] | None = None
    problem: str = ""


def speed(asked: AskedScorer, texts: Sequence[Text]) -> tuple[KnownEstimate, KnownEstimate]:
    """Milliseconds of a reply alone (median), and replies a second in batches of ``BATCH``.

    Scores are computed, not taken from what is kept; the first batch only warms up.
    """
    samples = [sample(text) for text in texts]
    score_chunk(asked.scorer, samples[:BATCH])
    alone = []
    started = time.perf_counter()
    for one in samples[:ALONE]:
        before = time.perf_counter()
        score_chunk(asked.scorer, [one])
        alone.append(1000 * (time.perf_counter() - before))
        if time.perf_counter() - started > LONGEST:
            break
    bulk = samples[:BULK]
    rates = []
    started = time.perf_counter()
    for _ in range(ROUNDS):
        before = time.perf_counter()
        for start in range(0, len(bulk), BATCH):
            score_chunk(asked.scorer, bulk[start : start + BATCH])
        rates.append(len(bulk) / max(1e-9, time.perf_counter() - before))
        if time.perf_counter() - started > LONGEST:
            break
    draws = np.random.default_rng(23).choice(alone, (1000, len(alone)))
    low, high = np.quantile(np.median(draws, axis=1), [0.025, 0.975]).tolist()
    return (
        KnownEstimate(
            value=round(statistics.median(alone), 4),
            interval=Interval(round(low, 4), round(high, 4), method="bootstrap of the median"),
            n=len(alone),
        ),
        KnownEstimate(value=round(statistics.median(rates), 2), n=len(bulk)),
    )


def ask_elsewhere(scorer: str, texts: Sequence[Text], *, cpu: bool = False) -> Elsewhere:
    """Have texts scored in a process of its own, on the CPU alone if asked.

    A failure is part of the answer: an audit goes on without these estimates.
    """
    settings = dict(os.environ)
    # what this process can import, the other can
    settings["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
    if cpu:
        settings["CUDA_VISIBLE_DEVICES"] = ""
    request = msgspec.json.encode(Request(scorer, tuple(texts)))
    command = [sys.executable, "-m", "empeval.auditing.machine"]
    try:
        done = subprocess.run(
            command, input=request, capture_output=True, check=False, env=settings, timeout=PATIENCE
        )
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout.splitlines()[-1], type=Elsewhere)
        problem = (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"])[-1]
    except (OSError, subprocess.TimeoutExpired, msgspec.DecodeError, IndexError) as error:
        problem = f"{type(error).__name__}: {error}"
    return Elsewhere(problem=problem[:300])


def main() -> int:
    """Read a request, score, and write the answer as the last line."""
    request = msgspec.json.decode(sys.stdin.buffer.read(), type=Request)
    try:
        asked = AskedScorer(request.scorer)
        values: dict[str, dict[str, float]] = {}
        for start in range(0, len(request.texts), BATCH):
            chunk = [sample(text) for text in request.texts[start : start + BATCH]]
            values |= {s.id: s.values for s in score_chunk(asked.scorer, chunk) if s.status == "ok"}
    except EmpevalError as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    answer = msgspec.json.encode(Elsewhere(peak_memory(), values))
    sys.stdout.buffer.write(b"\n" + answer + b"\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
