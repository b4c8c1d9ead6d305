"""Ways of fooling a gate: none of them may let a release pass that is worse or cannot be read."""

from __future__ import annotations

import json

import msgspec
import pytest
from support.made_runs import make_run, normal

from empeval import (
    Item,
    Message,
    Response,
    Run,
    RunFolderError,
    Sample,
    Score,
    Scored,
    Scorer,
    ScorerCard,
    UsageError,
    ValueCard,
)
from empeval.comparing.many import compare_many
from empeval.comparing.two import compare
from empeval.gating.policy import Policy, read_policy
from empeval.gating.verdict import gate
from empeval.metrics import Mean, mean_metrics
from empeval.runs import RunFiles
from empeval.scoring import score_chunk

COUNT = 60
POLICY = '[[headline]]\nmetric = "warmth"\nmargin = 0.5\n'
WARM = ValueCard(name="warmth", unit="points", summary="Made.", higher_is_better=True)
SHARE = ValueCard(name="warmth", unit="percent", summary="Made.", higher_is_better=True)


def asked(metric="warmth", margin=0.5, **parts):
    headline = [{"metric": metric, "margin": margin}]
    return msgspec.convert({"headline": headline, "resamples": 200, **parts}, Policy)


def scored(values):
    """Samples with one value each; ids from 0."""
    found = []
    for number, value in enumerate(values):
        name = str(number)
        item = Item(name, (Message("user", "?"),), cluster=name)
        score = Score(name, values={"warmth": value})
        found.append(Scored(Sample(item, Response(name, "Yes.")), score))
    return found


def with_metrics(run, change):
    """A run whose metrics are written anew, each changed."""
    run.write_metrics([msgspec.structs.replace(m, **change(m)) for m in run.metrics()])
    return Run(run.path)


class Percents(Scorer):
    """Gives a percentage where yes or no is meant."""

    card = ScorerCard(version="1", summary="Made.", values=(SHARE,))

    def score(self, samples):
        return [Score(s.id, values={"warmth": float(s.text)}) for s in samples]


@pytest.mark.parametrize("text", ["37", "0.95", "-1"])
def test_a_percentage_is_no_value_in_percent(text):
    samples = [
        Sample(one.sample.item, Response(one.sample.id, said))
        for one, said in zip(scored([0, 0]), (text, "1"), strict=True)
    ]
    bad, good = score_chunk(Percents(), samples)
    assert (bad.status, bad.values, good.status) == ("error", {}, "ok")
    assert "a value in percent is 0 or 1" in bad.note


@pytest.mark.parametrize("of", [0.9, 90.0])
def test_shares_that_no_yes_or_no_made_hold_nothing(tmp_path, of):
    base = make_run(tmp_path / "base", [of] * COUNT, unit="percent")
    worse = make_run(tmp_path / "worse", [of * 0.6] * COUNT, unit="percent")
    assert gate(worse, base, asked()).exit_code != 0
    assert not compare(base, worse, resamples=200).differences


def test_a_mean_in_percent_of_something_else_is_refused():
    halves = Mean(value=SHARE, of=lambda one: one.score.values["warmth"] / 2)
    with pytest.raises(ValueError, match=r"warmth is 0\.5; a value in percent is 0 or 1"):
        mean_metrics([halves], scored([0, 1]))


def test_a_share_that_lacks_answers_is_judged_by_no_for_each(tmp_path):
    base = make_run(tmp_path / "base", [1.0] * COUNT, unit="percent")
    silent = [None if n < 12 else 1.0 for n in range(COUNT)]
    worse = make_run(tmp_path / "worse", silent, unit="percent")
    (check,) = gate(worse, base, asked(margin=5)).checks
    assert check.outcome == "regression"
    assert "the difference would be -20.0" in check.said


def test_a_metric_of_some_items_is_not_compared_by_all():
    def first(one):
        return int(one.sample.id) < 3

    values = [float(n) for n in range(6)]
    some, every = mean_metrics([Mean(value=WARM, where=first), Mean(value=WARM)], scored(values))
    assert (some.value, every.value) == (1.0, 2.5)
    assert some.source is None
    assert every.source is not None
    others = [
        msgspec.structs.replace(one, score=one.score if first(one) else Score(one.sample.id))
        for one in scored(values)
    ]
    (alone,) = mean_metrics([Mean(value=WARM, where=first)], others)
    assert (alone.value, alone.source.value) == (1.0, "warmth")  # no other item has the value
    (counted,) = mean_metrics([Mean(value=WARM, where=first, failed_as=0.0)], others)
    assert counted.source is None  # a comparison would count the others as 0


def test_a_metric_that_only_has_the_name_of_a_value_is_not_compared_by_it(tmp_path):
    """Its scorer turns the value round, so a rise of the value is a fall of the metric."""
    values = normal(COUNT, 1, 5)
    runs = [
        make_run(tmp_path / name, [v + shift for v in values], source=False)
        for name, shift in (("base", 0.0), ("candidate", 1.0))
    ]
    assert [d.metric for d in compare(*runs, resamples=200).differences] == ["warmth"]
    base, candidate = (with_metrics(run, lambda m: {"value": 10 - m.value}) for run in runs)
    with pytest.raises(UsageError, match="No metric 'warmth' can be compared here"):
        gate(candidate, base, asked())


def test_a_folder_that_says_one_thing_and_holds_another_is_not_compared(tmp_path):
    values = normal(COUNT, 1, 5)
    base = make_run(tmp_path / "base", values)
    candidate = make_run(tmp_path / "candidate", [v - 2 for v in values])
    path = candidate.scores_path("talks", "warmth")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    raised = [{**row, "values": {"warmth": row["values"]["warmth"] + 2}} for row in rows]
    path.write_text("".join(json.dumps(row) + "\n" for row in raised))
    with pytest.raises(UsageError, match=r"talks, warmth: metrics\.json says .* and the items"):
        gate(Run(candidate.path), base, asked())
    found = compare(base, Run(candidate.path), resamples=200)
    assert not found.differences
    assert any("the items come to" in text for text in found.notices)
    rounded = with_metrics(make_run(tmp_path / "r", values), lambda m: {"value": round(m.value, 3)})
    assert compare(base, rounded, resamples=200).differences


@pytest.mark.parametrize("change", [{"unit": "stars"}, {"higher_is_better": False}])
def test_metrics_without_a_source_must_agree_in_unit_and_direction(tmp_path, change):
    values = normal(COUNT, 1, 5)
    base, candidate = (make_run(tmp_path / n, values, source=False) for n in ("base", "new"))
    changed = with_metrics(candidate, lambda m: change)
    with pytest.raises(UsageError, match=next(iter(change)).replace("_", " ")):
        gate(changed, base, asked())


def test_a_metric_without_a_direction_blocks_whatever_the_policy_lets_pass(tmp_path):
    base, candidate = (
        make_run(tmp_path / str(shift), normal(COUNT, 1, 5 - shift), higher_is_better=None)
        for shift in (0, 2)
    )
    assert gate(candidate, base, asked(inconclusive="pass")).exit_code == 4


@pytest.mark.parametrize("fall", [0.0, 0.4])
@pytest.mark.parametrize(("clusters", "code"), [(1, 4), (2, 4), (5, 4), (6, 0)])
def test_a_few_clusters_that_are_all_alike_show_nothing(tmp_path, fall, clusters, code):
    values = [5.1, 3.7, 4.4, 6.2, 2.9, 5.8][:clusters]
    base = make_run(tmp_path / "base", values)
    candidate = make_run(tmp_path / "candidate", [v - fall for v in values])
    verdict = gate(candidate, base, asked())
    assert verdict.exit_code == code
    if 1 < clusters < 6:
        assert f"{clusters} clusters that are all alike" in verdict.checks[0].said


def test_a_limit_of_failures_holds_for_a_task_that_only_the_candidate_has(tmp_path):
    from support.made_runs import MadeScorer, MadeTask, Value, write_run

    names = [str(n) for n in range(COUNT)]
    values = normal(COUNT, 1, 5)

    def task(name, empty=0):
        statuses = ["empty" if n < empty else "ok" for n in range(COUNT)]
        scorer = MadeScorer("warmth", [Value("warmth", values)])
        return MadeTask(name, names, [scorer], statuses=statuses)

    base = write_run(tmp_path / "base", [task("talks")], model="made:base")
    limit = [{"kind": "empty", "most": 10.0, "rise": 0.0}]
    policy = asked("talks.warmth", failures=limit)
    for empty, code in ((30, 3), (6, 0), (0, 0)):
        tasks = [task("talks"), task("letters", empty)]
        candidate = write_run(tmp_path / str(empty), tasks, model=f"made:{empty}")
        verdict = gate(candidate, base, policy)
        assert verdict.exit_code == code, empty
        if empty:
            said = f"{empty / 0.6:.1f} % of the answers to letters (the base has none)"
            assert any(said in check.said for check in verdict.checks)


@pytest.mark.parametrize(
    ("asked_of", "said"),
    [("both", "notes warmth: cannot be told"), ("base", "notes.warmth.warmth")],
)
def test_a_headline_of_two_tasks_of_which_nobody_scored_one_does_not_hold(tmp_path, asked_of, said):
    from support.made_runs import MadeScorer, MadeTask, Value, write_run

    names = [str(n) for n in range(COUNT)]

    def task(name, values):
        kept = Value("warmth", values, "warmth", "points", True, 1.0, None, 0.0, 10.0)
        bad = ["unparsed" if v is None else "ok" for v in values]
        return MadeTask(name, names, [MadeScorer("warmth", [kept], bad)])

    talks, notes = task("talks", normal(COUNT, 1, 5)), task("notes", [None] * COUNT)
    base = write_run(tmp_path / "base", [talks, notes], model="made:base")
    tasks = [talks, notes] if asked_of == "both" else [talks]
    verdict = gate(write_run(tmp_path / "new", tasks, model="made:new"), base, asked())
    assert (verdict.outcome, verdict.exit_code) == ("inconclusive", 4)
    assert said in " ".join(check.said for check in verdict.checks)


@pytest.mark.parametrize("limit", ["", "most = 100", "most = 100.0\nrise = 100", "rise = 100"])
def test_a_limit_that_nothing_exceeds_is_none(tmp_path, limit):
    path = tmp_path / "gate.toml"
    path.write_text(f'{POLICY}[[failures]]\nkind = "truncated"\n{limit}\n')
    with pytest.raises(UsageError, match="failures truncated: nothing could fail"):
        read_policy(path)


def test_a_policy_that_is_nested_without_end_is_invalid_input(cli, tmp_path):
    base, candidate = (make_run(tmp_path / n, normal(COUNT, 1, 5)) for n in ("base", "new"))
    (tmp_path / "gate.toml").write_text("a = " + "[" * 5000 + "]" * 5000)
    found = cli("gate", candidate.path, "--baseline", base.path, "--policy", "gate.toml")
    assert (found.code, "nested too deeply" in found.err) == (2, True)
    found = cli("run", "--config", "gate.toml")
    assert (found.code, "nested too deeply" in found.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--junit", "gate.toml"), "--policy and --junit"),
        (("--markdown", "./gate.toml"), "--policy and --markdown"),
        (("--junit", "one.xml", "--json", "one.xml"), "--junit and --json"),
    ],
)
def test_no_document_overwrites_the_policy_or_another_document(cli, tmp_path, words, named):
    values = normal(COUNT, 1, 5)
    base, candidate = (make_run(tmp_path / n, values) for n in ("base", "new"))
    (tmp_path / "gate.toml").write_text(POLICY)
    found = cli("gate", candidate.path, "--baseline", base.path, "--policy", "gate.toml", *words)
    assert (found.code, f"{named} are both" in found.err) == (2, True)
    assert (tmp_path / "gate.toml").read_text() == POLICY
    assert not (tmp_path / "one.xml").exists()


@pytest.mark.parametrize("file", ["run.json", "metrics.json", "scores/talks/warmth.jsonl"])
def test_a_folder_that_is_exchanged_while_it_is_read_is_not_judged(tmp_path, file):
    values = normal(COUNT, 1, 5)
    runs = [make_run(tmp_path / n, [v - k for v in values]) for k, n in enumerate("abc")]
    files = [RunFiles(run) for run in runs]
    assert compare(*files[:2], resamples=200).differences
    better = runs[0].path / file
    (tmp_path / "other").write_bytes(better.read_bytes())
    (tmp_path / "other").rename(runs[1].path / file)
    for read in (
        lambda: compare(*files[:2], resamples=200),
        lambda: compare_many(files, resamples=200),
    ):
        with pytest.raises(RunFolderError, match="was changed while it was read"):
            read()
