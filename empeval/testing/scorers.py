# ruff: noqa: S101 - assertions are what a test is made of
"""What every scorer must do."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
import pytest

from empeval.cards import ScorerCard
from empeval.interfaces import INTERFACE_VERSION, Scorer
from empeval.records import Metric, Sample, Score, Scored
from empeval.renamed import attributes, methods
from empeval.testing.fakes import FakeTask, fake_sample
from empeval.testing.manners import Manners
from empeval.testing.texts import UNUSUAL_TEXTS

_TESTS = {
    "test_figures_speak_of_the_samples": "test_metrics_speak_of_the_samples",
    "test_figures_of_nothing_but_failures_do_not_raise": (
        "test_metrics_of_nothing_but_failures_do_not_raise"
    ),
}
"""What they were called before -> what a subclass overrides now."""


class ScorerContract(Manners):
    """Subclass it and override the fixture ``scorer``, perhaps ``samples`` too.

    Attributes:
        tolerance: how far a value may move with the batch it was computed in.
    """

    tolerance: ClassVar[float] = 1e-4

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        methods(cls, _TESTS)

    @pytest.fixture
    def scorer(self) -> Scorer:
        """The scorer under test.

        Raises:
            NotImplementedError: it has not been overridden.
        """
        raise NotImplementedError("override the fixture 'scorer'")

    @pytest.fixture
    def samples(self) -> Sequence[Sample]:
        """Samples that it can score, with different ids and answers; at least two."""
        answers = [
            "I am so sorry. How long was he with you?",
            "Oh no! That must hurt. I am here if you would like to talk about him.",
            "Well, get another one.",
        ]
        items = FakeTask(count=len(answers)).items()
        return [fake_sample(answer, item) for answer, item in zip(answers, items, strict=True)]

    def test_it_was_written_for_this_interface(self, scorer: Scorer) -> None:
        """Base class and interface version are what the registry asks for."""
        assert isinstance(scorer, Scorer)
        assert scorer.interface == INTERFACE_VERSION

    def test_the_card_is_complete(self, scorer: Scorer) -> None:
        """Version, summary and values; each value has a unit, a summary and a sane range."""
        card = type(scorer).card
        assert card.version.strip()
        assert card.summary.strip()
        assert card.values
        for names in ([value.name for value in card.values], list(card.labels), list(card.needs)):
            assert len(set(names)) == len(names)
            assert all(name.strip() for name in names)
        for value in card.values:
            assert value.unit.strip()
            assert value.summary.strip()
            if value.low is not None and value.high is not None:
                assert value.low < value.high
        assert msgspec.convert(msgspec.to_builtins(card), ScorerCard) == card

    def test_its_own_samples_are_scored(self, scorer: Scorer, samples: Sequence[Sample]) -> None:
        """One score a sample, in order, with values; without them nothing else here says much."""
        scores = scorer.score(samples)
        check_scores(scorer, samples, scores)
        assert len(samples) >= 2
        assert [score.status for score in scores] == ["ok"] * len(samples)
        assert all(score.values for score in scores)

    def test_the_same_samples_get_the_same_scores(
        self, scorer: Scorer, samples: Sequence[Sample]
    ) -> None:
        """A metric that moves by itself guards nothing."""
        assert scorer.score(samples) == scorer.score(samples)

    def test_a_sample_scores_alone_as_in_a_batch(
        self, scorer: Scorer, samples: Sequence[Sample]
    ) -> None:
        """A resumed run cuts its batches elsewhere."""
        together = scorer.score(samples)
        apart = [scorer.score([sample])[0] for sample in samples]
        backwards = scorer.score(list(reversed(samples)))[::-1]
        for one, other in [
            *zip(together, apart, strict=True),
            *zip(together, backwards, strict=True),
        ]:
            assert (one.id, one.status, one.labels) == (other.id, other.status, other.labels)
            assert one.values == pytest.approx(other.values, rel=self.tolerance, abs=self.tolerance)

    @pytest.mark.parametrize("text", UNUSUAL_TEXTS.values(), ids=UNUSUAL_TEXTS.keys())
    def test_an_unusual_answer_gets_a_score_and_spoils_no_other(
        self, scorer: Scorer, samples: Sequence[Sample], text: str
    ) -> None:
        """Empty, endless and foreign answers happen; a scorer that raises loses the batch."""
        odd = fake_sample(text, samples[0].item)
        cut = fake_sample(text, samples[0].item, status="truncated")
        check_scores(scorer, [cut], scorer.score([cut]))
        scores = scorer.score([odd, *samples[1:]])
        check_scores(scorer, [odd, *samples[1:]], scores)
        for score, before in zip(scores[1:], scorer.score(samples)[1:], strict=True):
            assert score.status == before.status
            assert score.values == pytest.approx(
                before.values, rel=self.tolerance, abs=self.tolerance
            )

    def test_metrics_speak_of_the_samples(self, scorer: Scorer, samples: Sequence[Sample]) -> None:
        """Names differ, counts add up, intervals are in order, nothing is NaN."""
        scores = scorer.score(samples)
        metrics = scorer.metrics([Scored(s, c) for s, c in zip(samples, scores, strict=True)])
        assert metrics
        check_metrics(metrics, len(samples))
        assert any(metric.value is not None for metric in metrics)

    def test_metrics_of_nothing_but_failures_do_not_raise(
        self, scorer: Scorer, samples: Sequence[Sample]
    ) -> None:
        """A model may fail everywhere."""
        failed = [Scored(sample, Score(sample.id, "error", note="failed")) for sample in samples]
        check_metrics(scorer.metrics(failed), len(samples))

    def test_the_fingerprint_stays_the_same(self, scorer: Scorer) -> None:
        """Scores are kept as long as it does."""
        assert scorer.fingerprint() == scorer.fingerprint()


def check_scores(scorer: Scorer, samples: Sequence[Sample], scores: Sequence[Score]) -> None:
    """One score a sample in their order, each as the card says; failures give a reason."""
    assert [score.id for score in scores] == [sample.id for sample in samples]
    known = {value.name: value for value in scorer.card.values}
    for score in scores:
        assert msgspec.json.decode(msgspec.json.encode(score), type=Score) == score
        assert set(score.values) <= set(known), score.id
        assert set(score.labels) <= set(scorer.card.labels), score.id
        for name, value in score.values.items():
            low, high = known[name].low, known[name].high
            assert math.isfinite(value), f"{score.id}: {name} is {value}"
            said = f"{score.id}: {name} is {value}, outside of its card's range"
            assert low is None or value >= low - 1e-6, said
            assert high is None or value <= high + 1e-6, said
        if score.status != "ok":
            assert score.note or score.labels, f"{score.id}: {score.status} without a reason"


def check_metrics(metrics: Sequence[Metric], count: int) -> None:
    """Every field as ``Metric`` describes it."""
    names = [metric.metric for metric in metrics]
    assert len(set(names)) == len(names)
    for metric in metrics:
        assert metric.metric.strip()
        assert metric.unit.strip()
        assert 0 <= metric.n <= count, metric.metric
        assert 0 <= metric.n_failed <= count, metric.metric
        numbers = [metric.value, metric.ci_low, metric.ci_high]
        assert all(n is None or math.isfinite(n) for n in numbers), metric.metric
        assert (metric.ci_low is None) == (metric.ci_high is None), metric.metric
        if metric.ci_low is not None and metric.ci_high is not None:
            assert metric.ci_low <= metric.ci_high, metric.metric
        assert msgspec.json.decode(msgspec.json.encode(metric), type=Metric) == metric


if not TYPE_CHECKING:  # a misspelt name stays a mistake
    __getattr__ = attributes(__name__, check_figures="check_metrics")
