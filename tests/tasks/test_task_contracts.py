"""The tasks that come with empeval keep the contract of every task."""

from __future__ import annotations

import pytest

from empeval.testing import FakeTask, TaskContract
from empeval_tasks.ed_mini.task import EDMini
from empeval_tasks.eqbench_mini.task import EQBenchMini


class TestEDMini(TaskContract):
    @pytest.fixture(params=["all", "last"])
    def task(self, request):
        return EDMini(turns=request.param)


class TestEQBenchMini(TaskContract):
    @pytest.fixture
    def task(self):
        return EQBenchMini()


class TestFakeTask(TaskContract):
    @pytest.fixture
    def task(self):
        return FakeTask()
