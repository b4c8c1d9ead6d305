"""Names and options become a question, or a sentence about what is wrong with them."""

from __future__ import annotations

import pytest

from empeval import DataError, Generator, Item, Message, Sampling, UsageError, hookimpl
from empeval.asked import (
    AskedScorer,
    AskedTask,
    check_items,
    combine_sampling,
    resolve_generator,
    scorers_for,
)
from empeval.errors import nearest, some
from empeval.hooks import Hooks
from empeval.runspec import RunSpec
from empeval.testing import Echo, FakeTask, fake_item


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"max_tokens": 0}, "--max-tokens is 0; it must be 1 or more"),
        ({"max_tokens": -3}, "--max-tokens is -3"),
        ({"temperature": -0.1}, "--temperature is -0.1; it must be 0 or more"),
        ({"temperature": float("nan")}, "--temperature is nan"),
        ({"temperature": float("inf")}, "--temperature is inf"),
        ({"top_p": 0.0}, "--top-p is 0.0; it must be above 0 and at most 1"),
        ({"top_p": 1.1}, "--top-p is 1.1"),
        ({"top_p": float("nan")}, "--top-p is nan"),
        ({"stop": ("a", "")}, "--stop is empty"),
    ],
)
def test_sampling_out_of_range_is_refused(changes, reason):
    with pytest.raises(UsageError, match=reason):
        combine_sampling(Sampling(), changes)


def test_sampling_is_the_tasks_with_the_users_changes():
    base = Sampling(max_tokens=80, stop=("\n",))
    assert combine_sampling(base, {}) == base
    assert combine_sampling(base, {"top_p": 1.0, "temperature": 0.7, "seed": 3}) == Sampling(
        80, 0.7, 1.0, ("\n",), 3
    )


def test_items_must_be_some_and_different_and_ask_something():
    with pytest.raises(DataError, match="'t' has no items"):
        check_items("t", [])
    with pytest.raises(DataError, match="'t' has doubled item ids: 1, 2"):
        check_items("t", [fake_item(i) for i in "11232"])
    with pytest.raises(DataError, match="'t' has items without a message: 2"):
        check_items("t", [fake_item("1"), Item("2", (), "2")])
    check_items("t", [fake_item("1"), fake_item("2")])


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (fake_item(7), "invalid item, 7: Expected `str`"),
        (fake_item(target={"who": {1, 2, object()}}), "invalid item, '1'"),
        (fake_item(messages=(Message("robot", "Beep."),)), "Invalid enum value 'robot'"),
        (fake_item(text="half \ud83d"), "surrogates not allowed"),
        (fake_item(cluster=None), "Expected `str`"),
    ],
)
def test_items_that_cannot_be_written_are_refused_by_name(item, reason):
    with pytest.raises(DataError, match=reason):
        check_items("t", [item])


def test_a_model_without_a_scheme_is_told_how_to_write_one():
    with pytest.raises(UsageError, match=r"'gpt2' has no scheme.*'hf:gpt2'"):
        resolve_generator("gpt2", {}, Hooks())


def test_an_unknown_scheme_is_refused_with_the_nearest():
    with pytest.raises(UsageError, match=r"Unknown scheme 'replya:' of a model\. Did.* 'replay'\?"):
        resolve_generator("replya:x", {}, Hooks())


def test_a_hook_may_name_a_model_before_the_schemes_are_asked():
    class Names:
        @hookimpl
        def empeval_resolve_model(self, uri, arguments):
            return Echo(arguments["at"]) if uri == "prod" else None

    hooks = Hooks()
    hooks.register(Names(), "names")
    found = resolve_generator("prod", {"at": "noon"}, hooks)
    assert isinstance(found, Echo)
    assert found.target == "noon"
    with pytest.raises(UsageError, match="no scheme"):
        resolve_generator("staging", {}, hooks)


def test_of_two_hooks_that_name_a_model_the_last_registered_wins():
    class Names:
        def __init__(self, name):
            self.name = name

        @hookimpl
        def empeval_resolve_model(self, uri, arguments):
            return Echo(self.name)

    hooks = Hooks()
    for number in range(20):
        hooks.register(Names(f"{number}"), f"names-{number}")
    assert resolve_generator("prod", {}, hooks).target == "19"


def test_what_a_hook_returns_that_is_no_generator_is_passed_over():
    class Names:
        @hookimpl
        def empeval_resolve_model(self, uri, arguments):
            return "a string"

    hooks = Hooks()
    hooks.register(Names(), "names")
    assert isinstance(resolve_generator("human:", {}, hooks), Generator)


@pytest.mark.usefixtures("odd_plugins")
def test_default_scorers_are_each_tasks_own_and_named_ones_go_where_they_fit():
    tasks = {"days": AskedTask("days", {}, RunSpec(limit=1)).task, "fake": FakeTask()}

    def labels(specs):
        chosen = scorers_for(tasks, specs)
        return {name: [s.label for s in scorers] for name, scorers in chosen.items()}

    assert labels(None) == {"days": ["length"], "fake": []}
    assert labels(["default", "referring"]) == {"days": ["length"], "fake": ["referring"]}
    assert labels(["length", "length", "default"]) == {"days": ["length"], "fake": ["length"]}
    assert labels([]) == {"days": [], "fake": []}
    chosen = scorers_for(tasks, ["length"])
    assert chosen["days"][0] is chosen["fake"][0], "one instance serves all tasks"


@pytest.mark.usefixtures("odd_plugins")
def test_a_scorer_that_fits_no_task_says_what_it_needs():
    task = AskedTask("days", {}, RunSpec(limit=1)).task
    with pytest.raises(UsageError, match="'referring' needs reply, reference, which none of"):
        scorers_for({"days": task}, ["referring"])


@pytest.mark.usefixtures("odd_plugins")
def test_scorers_whose_files_would_be_the_same_are_refused():
    with pytest.raises(UsageError, match="would write to the same file"):
        scorers_for({"fake": FakeTask()}, ["length:0", "length-0"])


def test_a_scorers_target_is_made_harmless_in_its_name():
    with pytest.raises(UsageError, match="Surface takes no target, but ':x' was given"):
        AskedScorer("surface:x")
    assert AskedScorer("surface").label == "surface"


@pytest.mark.usefixtures("odd_plugins")
def test_a_limit_keeps_the_fingerprint_of_the_whole_data():
    every = AskedTask("days", {})
    some_of_it = AskedTask("days", {}, RunSpec(limit=5))
    assert len(some_of_it.items) == 5
    assert some_of_it.entry.data_fingerprint == every.entry.data_fingerprint
    assert some_of_it.entry.prompts_hash != every.entry.prompts_hash
    assert {item.task for item in every.items} == {"days"}


def test_the_nearest_names_come_first_and_all_are_told():
    assert nearest("eqbanch", ["eqbench", "surface"]) == (
        " Did you mean 'eqbench'? Known: eqbench, surface."
    )
    known = ["ed-empathy", "ed-mini", "hf", "smollm2-135m-instruct"]
    assert nearest("ED-EMPATHY", known).startswith(" Did you mean 'ed-empathy'")
    assert nearest("HF", known).startswith(" Did you mean 'hf'?")
    assert nearest("smollm", known).startswith(" Did you mean 'smollm2-135m-instruct'?")
    assert nearest("mini", known).startswith(" Did you mean 'ed-mini'?")
    assert nearest("", known).startswith(" Known: ")
    assert nearest("xyz", ["eqbench"]) == " Known: eqbench."
    assert nearest("xyz", []) == ""


def test_many_names_are_cut_short():
    assert some(["1", "2"]) == "1, 2"
    assert some(list("1234567")) == "1, 2, 3, 4, 5 and 2 more"
