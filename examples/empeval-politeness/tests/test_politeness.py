# ruff: noqa: D100, D101, D102, D103, S101 - tests are sentences and assert
import pytest
from empeval_politeness.scorer import Politeness

from empeval.testing import ScorerContract, fake_sample


class TestPoliteness(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return Politeness()


@pytest.mark.parametrize(
    ("reply", "count"),
    [("I am so sorry. Thank you for telling me, please go on.", 3), ("Sorrysome!", 0)],
)
def test_polite_words_are_counted_and_parts_of_words_are_not(reply, count):
    (score,) = Politeness().score([fake_sample(reply)])
    assert score.values == {"polite_words": count}
