"""The scorer ``eqbench``: several conventions side by side, and a reason for every failure."""

from __future__ import annotations

from collections.abc import Sequence

from empeval import Metric, Sample, Score, Scored, Scorer, ScorerCard
from empeval_tasks.eqbench.metrics import all_metrics
from empeval_tasks.eqbench.parsing import parse_lm_eval, parse_official
from empeval_tasks.eqbench.reasons import REASONS, reason_no_scores, reason_unread
from empeval_tasks.eqbench.scoring import item_score
from empeval_tasks.eqbench.tolerant import parse_tolerant
from empeval_tasks.eqbench.values import (
    CLAMPED,
    FIRST_PASS,
    LM_EVAL,
    REVISED,
    STRICT,
    target_of,
)

_STATUS = {"refusal": "refused", "truncated": "truncated", "missing": "error", "error": "error"}


class EQBenchScorer(Scorer):
    """Compares four stated intensities with the reference ones.

    A score is ``ok`` when EQ-Bench's own parser reads the answer. Other answers have one of the
    failure statuses and the label ``reason``; they may still carry the values ``lm_eval`` and
    ``strict``, since those conventions read answers that the official one does not. The metrics
    of each convention use exactly the answers that it can read.
    """

    card = ScorerCard(
        version="1",
        summary="EQ-Bench v2's score by the official, lm-eval's and a tolerant convention.",
        values=(FIRST_PASS, REVISED, LM_EVAL, STRICT, CLAMPED),
        needs=("eqbench",),
        labels=("form", "reason", "strict_reason"),
        license="Apache-2.0",
        citation=(
            "Paech 2023: EQ-Bench: An Emotional Intelligence Benchmark for Large Language "
            "Models. arXiv 2312.06281."
        ),
    )

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Score answers one by one.

        Raises:
            UsageError: an item has no ``target["eqbench"]``.
        """
        return [_score(sample) for sample in samples]

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Compute the score by each convention, what could not be read, and the reference points.

        Scores are out of 100.
        """
        return all_metrics(scored)


def _score(sample: Sample) -> Score:
    reference, language, asked = target_of(sample.item)
    response = sample.response
    text = "" if response.status in ("missing", "error") else response.response
    official = parse_official(text, reference, language=language, asked=asked)
    lm_eval = parse_lm_eval(text, reference)
    plain = parse_tolerant(text, reference)
    values: dict[str, float] = {}
    for name, answer in (
        (FIRST_PASS.name, official.first),
        (REVISED.name, official.revised),
        (LM_EVAL.name, lm_eval),
        (STRICT.name, plain.scores if plain else None),
    ):
        if answer is not None:
            values[name] = item_score(answer, reference)
    if plain is not None:
        values[CLAMPED.name] = float(plain.clamped)
    labels: dict[str, str] = {"form": official.form}
    if plain is None:
        labels["strict_reason"] = reason_no_scores(response, reference)
    if official.first is not None or official.revised is not None:
        return Score(sample.id, "ok", values, labels)
    reason = reason_unread(response, reference, official, plain)
    labels["reason"] = reason
    note = REASONS[reason] + (f": {response.note}" if reason == "error" and response.note else "")
    return Score(sample.id, _STATUS.get(reason, "unparsed"), values, labels, note)  # type: ignore[arg-type]
