"""Plugins are found by metadata, loaded by name, and fail alone."""

from __future__ import annotations

import json
import sys
from typing import Literal

import pytest
from support.distributions import make_distribution

import empeval
from empeval import EmpevalError, Scorer, UsageError, registry
from empeval.registry import Component, PluginError, build, components, find, load, options

SCORER = """
from empeval import Score, Scorer, ScorerCard, ValueCard

class Kindness(Scorer):
    card = ScorerCard(
        version="1",
        summary="{name}",
        values=(ValueCard(name="kindness", unit="points", summary="Kindness."),),
    )

    def score(self, samples):
        return [Score(s.id, values={{"kindness": 1.0}}) for s in samples]
"""

BROKEN = {
    "no-module": ("not_there:Kindness", "ModuleNotFoundError: No module named 'not_there'"),
    "no-class": ("json:Kindness", "AttributeError: module 'json' has no attribute 'Kindness'"),
    "no-attribute": ("json", "AttributeError"),
    "wrong-base": ("json:JSONDecoder", "(json:JSONDecoder) is not a subclass of Scorer"),
    "no-type": ("json:dumps", "(json:dumps) is not a subclass of Scorer"),
    "other-kind": ("empeval.testing:Echo", "is not a subclass of Scorer"),
    "raises": ("raises_on_import:Kindness", "ZeroDivisionError: division by zero"),
    "leaves": ("leaves_on_import:Kindness", "SystemExit: 3"),
    "unfinished": ("unfinished_kind:Kindness", "(unfinished_kind:Kindness) lacks score."),
    "faceless": ("faceless_kind:Kindness", "lacks card (a ScorerCard)."),
    "from-the-future": ("future_kind:Kindness", "was written for interface version 99; this is"),
}


@pytest.fixture
def kind_and_broken(tmp_path, install):
    """A good distribution and a broken one."""
    make_distribution(
        tmp_path,
        "kind-plugin",
        version="2.3",
        points={"empeval.scorers": {"kindness": "kind_module:Kindness"}},
        modules={"kind_module": SCORER.format(name="kind")},
    )
    make_distribution(
        tmp_path,
        "broken-plugin",
        points={"empeval.scorers": {name: value for name, (value, _) in BROKEN.items()}},
        modules={
            "raises_on_import": "1 / 0",
            "leaves_on_import": "import sys; sys.exit(3)",
            "unfinished_kind": SCORER.format(name="x").partition("    def")[0],
            "faceless_kind": SCORER.format(name="x").replace("card =", "face ="),
            "future_kind": SCORER.format(name="future") + "    interface = 99\n",
        },
    )
    install(tmp_path)


@pytest.mark.usefixtures("kind_and_broken")
def test_listing_imports_nothing():
    names = {c.name for c in components("scorers")}
    assert {"kindness", "surface", *BROKEN} <= names
    assert "kind_module" not in sys.modules
    assert "raises_on_import" not in sys.modules


@pytest.mark.usefixtures("kind_and_broken")
def test_a_component_knows_its_distribution():
    component = find("scorers", "kindness")
    assert component == Component(
        "scorers", "kindness", "kind_module:Kindness", "kind-plugin", "2.3"
    )
    assert component == find("scorers", "kind-plugin/kindness")
    assert load(component).card.summary == "kind"


def test_a_distribution_whose_entry_points_are_no_text_hurts_no_other(cli, tmp_path, install):
    folder = tmp_path / "site"
    make_distribution(folder, "torn-plugin", points={"empeval.tasks": {"torn": "torn_module:T"}})
    next(folder.glob("*.dist-info/entry_points.txt")).write_bytes(b"[empeval.tasks]\nx = y:Z\n\xff")
    install(folder)
    assert {"ed-mini", "eqbench"} <= {c.name for c in components("tasks")}
    plugins = {plugin["name"]: plugin for plugin in json.loads(cli("plugins", "list").out)}
    assert plugins["empeval"]["errors"] == []
    assert "its metadata cannot be read: UnicodeDecodeError" in plugins["torn-plugin"]["errors"][0]


@pytest.mark.parametrize("metadata", [None, b"", b"Name: \xff\n"])
def test_a_distribution_without_a_name_is_listed_as_unknown(cli, tmp_path, install, metadata):
    points = {"empeval.tasks": {"left": "left_module:T"}, "empeval": {"hooks": "left_module"}}
    folder = make_distribution(tmp_path / "site", "left-over", points=points)
    file = next(folder.glob("*.dist-info/METADATA"))
    file.unlink() if metadata is None else file.write_bytes(metadata)
    install(folder)
    (left,) = [c for c in components("tasks") if c.name == "left"]
    assert (left.distribution, left.version) == ("(unknown)", "")
    plugins = {plugin["name"]: plugin for plugin in json.loads(cli("plugins", "list").out)}
    assert "(unknown)/hooks: cannot be loaded" in plugins["(unknown)"]["errors"][0]


@pytest.mark.usefixtures("kind_and_broken")
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_fails_for_who_asks_for_it_with_its_name_and_reason(name):
    with pytest.raises(PluginError) as caught:
        load(find("scorers", name))
    assert f"scorer plugin 'broken-plugin/{name}'" in str(caught.value)
    assert BROKEN[name][1] in str(caught.value)
    assert issubclass(load(find("scorers", "kindness")), Scorer)


@pytest.mark.parametrize("kind", registry.KINDS)
def test_everything_that_comes_with_empeval_loads(kind):
    own = [c for c in components(kind) if c.distribution == "empeval"]
    assert own
    for component in own:
        assert load(component).interface == 1


@pytest.fixture
def twins(tmp_path, install):
    """Two distributions with a scorer of the same name."""
    for name in ("first-twin", "second-twin"):
        module = name.replace("-", "_")
        make_distribution(
            tmp_path,
            name,
            points={"empeval.scorers": {"kindness": f"{module}:Kindness"}},
            modules={module: SCORER.format(name=name)},
        )
    install(tmp_path)


@pytest.mark.usefixtures("twins")
def test_of_two_plugins_with_one_name_both_are_kept():
    assert [c.full_name for c in components("scorers") if c.name == "kindness"] == [
        "first-twin/kindness",
        "second-twin/kindness",
    ]
    for name in ("first-twin", "second-twin"):
        assert load(find("scorers", f"{name}/kindness")).card.summary == name


@pytest.mark.usefixtures("twins")
def test_the_bare_name_of_two_plugins_is_an_error_that_names_both():
    with pytest.raises(UsageError) as caught:
        find("scorers", "kindness")
    assert "first-twin/kindness or second-twin/kindness" in str(caught.value)


def test_a_tasks_own_scorer_is_meant_whatever_a_stranger_calls_his(odd_plugins, tmp_path, install):
    module = {"stranger": SCORER.format(name="stranger")}
    points = {"empeval.scorers": {"length": "stranger:Kindness"}}
    make_distribution(tmp_path / "stranger", "stranger", points=points, modules=module)
    install(tmp_path / "stranger")
    run = empeval.run("human:", ["days"], limit=2, out=tmp_path / "run")
    assert run.manifest.scorers["days"]["length"].distribution == "odd-plugins 1.0"
    with pytest.raises(UsageError, match="Two plugins have a scorer named 'length'"):
        empeval.run("human:", ["days"], ["length"], limit=2, out=tmp_path / "other")


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("tasks", "eqbench-min", "Unknown task 'eqbench-min'. Did you mean 'eqbench-mini'"),
        ("scorers", "surfaec", "Unknown scorer 'surfaec'. Did you mean 'surface'?"),
        ("generators", "hff", "Unknown scheme 'hff:' of a model. Did you mean 'hf'?"),
        ("scorers", "empeval/surfac", "Unknown scorer 'empeval/surfac'."),
        ("tasks", "", "Unknown task ''. Known: "),
    ],
)
def test_an_unknown_name_is_refused_with_the_nearest(kind, name, sentence):
    with pytest.raises(UsageError) as caught:
        find(kind, name)
    assert str(caught.value).startswith(sentence)


class Picky:
    """Options of every kind."""

    def __init__(
        self,
        target: str,
        *,
        count: int = 1,
        share: float = 0.5,
        on: bool = False,
        size: Literal["small", "large"] = "small",
        most: int | None = None,
        name: str = "",
        which: Literal["a", "b"] | None = None,
    ) -> None:
        self.given = {k: v for k, v in locals().items() if k != "self"}


def test_options_are_the_keyword_parameters_without_the_target():
    assert list(options(Picky)) == ["count", "share", "on", "size", "most", "name", "which"]


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        ("count", "12", 12),
        ("share", "0.25", 0.25),
        ("share", "3", 3.0),
        ("on", "true", True),
        ("on", "0", False),
        ("size", "large", "large"),
        ("most", "7", 7),
        ("most", "null", None),
        ("name", "7", "7"),
        ("which", "b", "b"),
        ("count", 12, 12),
        ("on", True, True),
    ],
)
def test_text_becomes_what_the_parameter_asks_for(option, text, value):
    built = build(Picky, {option: text}, label="x", target="t")
    assert built.given[option] == value
    assert type(built.given[option]) is type(value)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"cuont": "1"}, "Unknown option 'cuont' of a test. Did you mean 'count'"),
        ({"count": "many"}, "Option 'count' of a test is 'many'; it takes a whole number."),
        ({"count": "1.5"}, "Option 'count' of a test is '1.5'; it takes a whole number."),
        ({"share": "half"}, "it takes a number."),
        ({"on": "maybe"}, "it takes true or false."),
        ({"size": "huge"}, "Option 'size' of a test is 'huge'; it takes one of small, large."),
        ({"which": "c"}, "it takes one of a, b."),
        ({"most": "x"}, "it takes a whole number."),
        ({"count": None}, "Option 'count' of a test: Expected `int`"),
        ({"name": 7}, "Option 'name' of a test: Expected `str`"),
        ({"target": "x"}, "Unknown option 'target' of a test."),
    ],
)
def test_options_that_make_no_sense_are_refused_with_what_they_take(arguments, sentence):
    with pytest.raises(UsageError) as caught:
        build(Picky, arguments, label="a test", target="t")
    assert sentence in str(caught.value)


class Bare:
    """Takes options and no target."""

    def __init__(self, *, strength: int = 1) -> None:
        if strength < 0:
            raise ZeroDivisionError("too weak")
        self.strength = strength


def test_a_class_need_not_take_the_target_that_it_never_gets():
    assert build(Bare, {"strength": "3"}, label="scorer 'bare'", target=None).strength == 3
    with pytest.raises(UsageError, match=r"Scorer 'bare' takes no target, but ':x' was given\."):
        build(Bare, {}, label="scorer 'bare'", target="x")


def test_what_goes_wrong_while_a_component_is_made_names_it():
    with pytest.raises(
        EmpevalError,
        match=r"Scorer 'bare' \(test_registry\) fails with ZeroDivisionError: too weak",
    ):
        build(Bare, {"strength": "-1"}, label="scorer 'bare'")


def test_a_scorer_with_options_of_its_own_is_used_by_name(tmp_path, install):
    init = "    def __init__(self, *, strength: int = 1):\n        self.strength = strength\n"
    make_distribution(
        tmp_path,
        "strong-plugin",
        points={"empeval.scorers": {"strong": "strong_module:Kindness"}},
        modules={"strong_module": SCORER.format(name="strong") + "\n" + init},
    )
    install(tmp_path)
    run = empeval.run("human:", ["ed-mini"], ["strong"], out=tmp_path / "run", limit=1)
    assert [m.value for m in run.metrics()] == [1.0]


def test_a_task_that_raises_is_named_and_writes_nothing(tmp_path, install):
    source = """
from empeval import Task, TaskCard

class Broken(Task):
    card = TaskCard(version="1", summary="x", provides=(), scorers=(), license="x")

    def items(self):
        raise LookupError("no such shelf")
"""
    make_distribution(
        tmp_path / "site",
        "shelf-plugin",
        points={"empeval.tasks": {"shelf": "shelf_module:Broken"}},
        modules={"shelf_module": source},
    )
    install(tmp_path / "site")
    with pytest.raises(
        EmpevalError, match="Task 'shelf-plugin/shelf' fails with LookupError: no such shelf"
    ):
        empeval.run("human:", ["shelf"], out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_component_without_options_says_so():
    with pytest.raises(UsageError, match=r"Unknown option 'a' of a test\. It takes no options\."):
        build(type("Plain", (), {}), {"a": "1"}, label="a test")
