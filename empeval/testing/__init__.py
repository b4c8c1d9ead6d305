"""Contract tests for plugins, and fakes to test with.

A plugin author subclasses a contract and says what is to be tested::

    from empeval.testing import ScorerContract

    class TestPoliteness(ScorerContract):
        @pytest.fixture
        def scorer(self):
            return Politeness()

pytest then runs every check of the contract. Needs pytest (``pip install pytest``).
"""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite(
    "empeval.testing.checking",
    "empeval.testing.generators",
    "empeval.testing.manners",
    "empeval.testing.scorers",
    "empeval.testing.tasks",
)

from empeval.testing.fakes import (  # noqa: E402 - assertions explain themselves only from here on
    Echo,
    FakeScorer,
    FakeTask,
    fake_item,
    fake_sample,
)
from empeval.testing.generators import GeneratorContract  # noqa: E402
from empeval.testing.scorers import ScorerContract  # noqa: E402
from empeval.testing.tasks import TaskContract  # noqa: E402
from empeval.testing.texts import UNUSUAL_TEXTS  # noqa: E402

__all__ = [
    "UNUSUAL_TEXTS",
    "Echo",
    "FakeScorer",
    "FakeTask",
    "GeneratorContract",
    "ScorerContract",
    "TaskContract",
    "fake_item",
    "fake_sample",
]
