"""The scorers that come with empeval keep the contract of every scorer."""

from __future__ import annotations

from itertools import islice

import pytest

from empeval import EmpevalError, packaged_model
from empeval.testing import FakeScorer, ScorerContract, fake_sample
from empeval_tasks.eqbench.scorer import EQBenchScorer
from empeval_tasks.eqbench_mini.task import EQBenchMini
from empeval_text.similarity import Similarity
from empeval_text.surface import Surface


class TestSurface(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return Surface()


class TestEQBench(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return EQBenchScorer()

    @pytest.fixture
    def samples(self):
        return [
            fake_sample(
                "".join(f"{name}: {n}\n" for name in item.target["eqbench"]["emotions"]), item
            )
            for n, item in enumerate(islice(EQBenchMini().items(), 4), 1)
        ]


@pytest.fixture(scope="module")
def similarity():
    try:
        packaged_model("all-minilm-l6-v2")
    except EmpevalError as error:
        pytest.skip(f"all-minilm-l6-v2 cannot be had: {error}")
    return Similarity()


@pytest.mark.slow
class TestSimilarity(ScorerContract):
    @pytest.fixture
    def scorer(self, similarity):
        return similarity


class TestFakeScorer(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return FakeScorer()
