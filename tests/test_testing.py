"""The contracts catch what they are there to catch."""

from __future__ import annotations

import textwrap

import pytest
from support.command import python

HEAD = """
import itertools
import pytest
from empeval import Item, Message, Response, Sampling, Score
from empeval.testing import (
    Echo, FakeScorer, FakeTask, GeneratorContract, ScorerContract, TaskContract, fake_item,
)
"""


def broken(contract, fixture, body):
    """A test file with a plugin that breaks its contract."""
    base = {"task": "FakeTask", "generator": "Echo", "scorer": "FakeScorer"}[fixture]
    return (
        HEAD
        + f"class Broken({base}):\n"
        + textwrap.indent(textwrap.dedent(body), "    ")
        + f"\n\nclass TestBroken({contract}):\n"
        + f"    @pytest.fixture\n    def {fixture}(self):\n        return Broken()\n"
    )


TASKS = {
    "test_there_are_items_and_their_ids_are_unique": """
        def items(self):
            yield from (fake_item("1") for _ in range(3))
    """,
    "test_the_same_items_come_every_time": """
        counter = itertools.count()

        def items(self):
            number = next(self.counter)
            yield from (fake_item(f"{number}-{i}") for i in range(3))
    """,
    "test_conversations_alternate_and_end_with_the_speaker": """
        def items(self):
            for item in super().items():
                turn = Message("assistant", "I see.")
                yield fake_item(item.id, messages=(*item.messages, turn))
    """,
    "test_items_survive_being_written_and_read": """
        def items(self):
            for item in super().items():
                yield fake_item(item.id, target={"emotion": "sad", "share": float("nan")})
    """,
    "test_items_offer_what_the_card_promises": """
        def items(self):
            yield from (fake_item(i.id, reference=None) for i in super().items())
    """,
    "test_a_limit_chooses_some_items_the_same_way_every_time": """
        def select(self, items, limit, seed):
            return list(reversed(items))[:limit]
    """,
}
GENERATORS = {
    "test_each_item_is_answered_once": """
        def generate(self, items, sampling):
            yield from list(super().generate(items, sampling))[:-1]
    """,
    "test_the_plan_holds_each_item_once": """
        def plan(self, items, sampling):
            return [[item] for item in items[1:]]
    """,
    "test_a_group_alone_is_answered_as_among_others": """
        def generate(self, items, sampling):
            for number, item in enumerate(items):
                yield Response(item.id, f"answer {number}")
    """,
    "test_unusual_prompts_are_answered_or_refused_but_never_raise": """
        def generate(self, items, sampling):
            for item in items:
                yield Response(item.id, item.messages[-1].content.encode("ascii").decode())
    """,
}
SCORERS = {
    "test_its_own_samples_are_scored": """
        def score(self, samples):
            return super().score(samples)[:-1]
    """,
    "test_a_sample_scores_alone_as_in_a_batch": """
        def score(self, samples):
            longest = max(len(s.text) for s in samples)
            return [Score(s.id, values={"length": len(s.text) / (longest or 1)}) for s in samples]
    """,
    "test_the_same_samples_get_the_same_scores": """
        counter = itertools.count()

        def score(self, samples):
            return [Score(s.id, values={"length": float(next(self.counter))}) for s in samples]
    """,
    "test_an_unusual_answer_gets_a_score_and_spoils_no_other": """
        def score(self, samples):
            return [Score(s.id, values={"length": 1.0 / len(s.text)}) for s in samples]
    """,
    "test_metrics_of_nothing_but_failures_do_not_raise": """
        def metrics(self, scored):
            sum(s.score.values["length"] for s in scored)
            return super().metrics(scored)
    """,
}
BROKEN = [
    *(("TaskContract", "task", name, body) for name, body in TASKS.items()),
    *(("GeneratorContract", "generator", name, body) for name, body in GENERATORS.items()),
    *(("ScorerContract", "scorer", name, body) for name, body in SCORERS.items()),
]


MISSING = "from empeval.testing import TaskContract\n\nclass TestMissing(TaskContract): ...\n"


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> str:
    """What pytest says of all of them."""
    folder = tmp_path_factory.mktemp("broken")
    for contract, fixture, name, body in BROKEN:
        (folder / f"{name}.py").write_text(broken(contract, fixture, body))
    (folder / "test_missing.py").write_text(MISSING)
    code = "import pytest, sys; sys.exit(pytest.main(sys.argv[1:]))"
    outcome = python(code, "-q", "-p", "no:cacheprovider", "-rfE", ".", folder=folder)
    assert outcome.code == 1, outcome.err
    return outcome.out


@pytest.mark.parametrize("name", [name for _, _, name, _ in BROKEN])
def test_a_broken_plugin_fails_the_test_that_names_its_defect(report, name):
    assert f"FAILED {name}.py::TestBroken::{name}" in report


def test_a_contract_explains_what_was_found(report):
    assert "['1', '2'] == ['1', '2', '3']" in report


def test_a_contract_without_its_fixture_says_which(report):
    assert "override the fixture 'task'" in report
