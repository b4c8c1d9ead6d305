"""Ways of hiding a fall in a part of the items: none of them may pass."""

from __future__ import annotations

import msgspec
import pytest
from support.made_runs import MadeScorer, MadeTask, Value, make_run, normal, write_run

from empeval import ResponseLine, Run, UsageError
from empeval.gating.policy import Policy
from empeval.gating.verdict import gate

COUNT = 120
VALUES = normal(COUNT, 1, 5)
WIGGLE = [0.2 + 0.01 * (n % 5) for n in range(COUNT)]


def asked(metric="warmth", least=10, **parts):
    slices = [{"by": "emotion", "margin": 0.5, "least": least}]
    headline = [{"metric": metric, "margin": 0.5}]
    fields = {"headline": headline, "slices": slices, "resamples": 200, **parts}
    return msgspec.convert(fields, Policy)


def fallen(members, lost=()):
    """Values that fall by 2 in a part, of which some are lost, and rise elsewhere."""
    return [
        None if n in lost else v + (-2 if n in members else 1) + w
        for n, (v, w) in enumerate(zip(VALUES, WIGGLE, strict=True))
    ]


@pytest.fixture
def judged(tmp_path):
    def judge(values, properties, policy=None, **more):
        base = make_run(tmp_path / "base", VALUES, targets=properties)
        candidate = make_run(tmp_path / "candidate", values, targets=properties)
        verdict = gate(candidate, base, policy or asked(), **more)
        return verdict.exit_code, {c.name: c for c in verdict.checks if c.kind == "slice"}

    return judge


def first(count, value="sad", rest="proud"):
    """Items of which the first ones are of a part."""
    return [{"emotion": value if n < count else rest} for n in range(COUNT)]


@pytest.mark.parametrize(
    ("size", "least", "code", "said"),
    [
        (10, 10, 3, "-1.7"),  # nine are left, and they are judged
        (5, 3, 4, "1 of its 5 items have no score"),  # four clusters are left: no interval
    ],
)
def test_a_part_does_not_become_too_small_by_an_answer_that_is_refused(
    judged, size, least, code, said
):
    values = fallen(range(size), lost=(0,))
    found, checks = judged(values, first(size), asked(least=least, inconclusive="pass"))
    check = checks["warmth, emotion = sad"]
    assert (found, check.outcome == "regression") == (code, code == 3)
    assert said in check.said


def test_a_part_that_only_the_base_has_does_not_vanish(tmp_path):
    """Six of 120 items are few enough to be missing, and all of a part."""
    properties = first(6)
    base = make_run(tmp_path / "base", VALUES, targets=properties)
    names = [str(n) for n in range(6, COUNT)]
    candidate = make_run(tmp_path / "new", fallen(())[6:], targets=properties[6:], ids=names)
    verdict = gate(candidate, base, asked(least=5, inconclusive="pass"), partial=True)
    checks = {c.name: c for c in verdict.checks}
    assert verdict.exit_code == 4
    assert checks["warmth"].outcome == "pass"
    assert "6 of its 6 items have no score" in checks["warmth, emotion = sad"].said


@pytest.mark.parametrize("value", [None, ["a", "b"], {"form": "x"}, "missing"])
def test_items_without_a_single_value_of_the_property_are_a_part(judged, value):
    properties = first(60, value)
    if value == "missing":
        properties = [{} if n < 60 else p for n, p in enumerate(properties)]
    code, checks = judged([v + 1 for v in fallen(range(60))], properties)
    assert code == 3
    assert checks["warmth, emotion = (none)"].outcome == "regression"


def test_an_empty_text_is_a_part_with_a_name(judged):
    code, checks = judged(fallen(range(60)), first(60, ""))
    assert (code, checks["warmth, emotion = (empty)"].outcome) == (3, "regression")


def test_a_number_and_its_text_are_one_part(judged):
    """Else each half would be too small to be looked at."""
    kinds = (1, "1", 1.0)
    properties = [{"emotion": kinds[n % 3] if n < 18 else 2} for n in range(COUNT)]
    code, checks = judged(fallen(range(18)), properties)
    assert code == 3
    assert "18 items" in checks["warmth, emotion = 1"].said


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (["a"], "'emotion' is a list, which makes no parts"),
        ({"form": "x", "tone": "y"}, "name one of them: emotion.form, emotion.tone"),
        (None, "the items have no property 'emotion'"),
    ],
)
def test_why_a_property_makes_no_parts_is_said(judged, value, said):
    with pytest.raises(UsageError, match=said):
        judged(VALUES, first(COUNT, value))


def with_metadata(run, facts):
    """A run whose items say something beside what is asked and compared."""
    path = run.responses_path("talks")
    lines = [msgspec.json.decode(line, type=ResponseLine) for line in path.read_bytes().split()]
    made = [
        msgspec.structs.replace(
            line, item=msgspec.structs.replace(line.item, metadata=facts(int(line.id)))
        )
        for line in lines
    ]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in made))
    return Run(run.path)


def test_parts_are_the_bases_where_the_runs_do_not_agree(tmp_path):
    def bases(n):
        return {"emotion": "sad" if n < 60 else "proud"}

    def candidates(n):
        return {"emotion": ("sad", "proud")[n % 2]}

    def nothing(n):
        return {}

    texts = [f"Answer-{n}." for n in range(COUNT)]
    asks = [f"Question-{n}?" for n in range(COUNT)]

    def run(name, values, facts):
        made = make_run(tmp_path / name, values, answers=texts, questions=asks)
        path = made.responses_path("talks")
        path.write_text(path.read_text().replace("What a person said to ", "Reply-"))
        return with_metadata(made, facts)

    low = [v - 0.3 for v in fallen(range(60))]
    verdict = gate(run("b1", VALUES, bases), run("b2", VALUES, nothing), asked(slices=[]))
    assert verdict.exit_code == 0
    base = run("base", VALUES, bases)
    verdict = gate(run("new", low, candidates), base, asked())
    checks = {c.name: c for c in verdict.checks if c.kind == "slice"}
    assert verdict.exit_code == 3
    assert checks["warmth, emotion = sad"].outcome == "regression"
    assert "says it otherwise of 60 items of talks" in checks["by emotion"].said
    with pytest.raises(UsageError, match="the base's items have no property 'emotion', and"):
        gate(base, run("other", VALUES, nothing), asked())


def test_a_task_whose_items_lack_the_property_is_named(tmp_path):
    names = [str(n) for n in range(COUNT)]

    def task(name, properties, values):
        return MadeTask(name, names, [MadeScorer("warmth", [Value("warmth", values)])],
                        targets=properties)  # fmt: skip

    base, candidate = (
        write_run(
            tmp_path / name,
            [task("talks", first(60), values), task("letters", None, values)],
            model=f"made:{name}",
        )
        for name, values in (("base", VALUES), ("new", fallen(())))
    )
    (check,) = [c for c in gate(candidate, base, asked()).checks if c.kind == "slice"]
    assert "No item of letters has it: of that no part is looked at." in check.said
