"""What the command line does, from Python."""

from __future__ import annotations

import pytest
from support.distributions import make_distribution

import empeval
from empeval import RunFolderError, UsageError


def test_every_public_name_is_there():
    assert set(empeval.__all__) <= set(dir(empeval))
    for name in empeval.__all__:
        assert getattr(empeval, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'warmth'"):
        empeval.warmth  # noqa: B018


@pytest.fixture
def run(tmp_path):
    return empeval.run("human:", ["ed-mini"], ["surface"], limit=3, out=tmp_path / "run")


def test_a_run_comes_back_finished(run):
    assert run.complete
    assert {m.task for m in run.metrics()} == {"ed-mini"}
    assert run.manifest.limit == 3
    assert run.manifest.finished >= run.manifest.created


def test_the_same_call_again_returns_the_same_run(run):
    again = empeval.run("human:", ["ed-mini"], ["surface"], limit=3, out=run.path)
    assert again.manifest == run.manifest


@pytest.mark.usefixtures("odd_plugins")
def test_sampling_given_as_a_list_or_a_whole_number_is_the_same_run_spec(tmp_path):
    first = empeval.run(
        "slow:", ["days"], ["length"], sampling={"stop": ("\n",), "temperature": 0.0}, out=tmp_path
    )
    again = empeval.run(
        "slow:", ["days"], ["length"], sampling={"stop": ["\n"], "temperature": 0}, out=tmp_path
    )
    assert again.manifest == first.manifest


def test_options_of_tasks_and_models_may_be_values_or_text(tmp_path):
    run = empeval.run(
        "human:", ["ed-mini"], [], task_args={"ed-mini.turns": "last"}, limit=2, out=tmp_path / "a"
    )
    assert run.manifest.tasks["ed-mini"].arguments == {"turns": "last"}
    assert run.manifest.tasks["ed-mini"].n_items == 2
    with pytest.raises(UsageError, match="Option 'turns' of task 'ed-mini'"):
        empeval.run("human:", ["ed-mini"], task_args={"turns": 3}, out=tmp_path / "b")
    assert not (tmp_path / "b").exists()


@pytest.mark.usefixtures("odd_plugins")
def test_tasks_of_one_run_keep_their_files_apart(tmp_path):
    run = empeval.run("human:", ["ed-mini", "days"], ["surface"], limit=2, out=tmp_path / "run")
    assert {path.name for path in (run.path / "responses").iterdir()} == {
        "days.jsonl",
        "ed-mini.jsonl",
    }
    assert {m.task for m in run.metrics()} == {"ed-mini", "days"}
    assert len(run.responses("days")) == 2


def test_the_answers_of_a_finished_run_are_scored_by_another_scorer(run):
    before = {m.metric: m for m in run.metrics()}
    again = empeval.score(run.path, ["surface"])
    assert {m.metric: m for m in again.metrics()} == before
    assert again.complete


@pytest.mark.usefixtures("odd_plugins")
def test_scorers_are_added_and_the_metrics_of_others_stay(run):
    surface = run.metrics()
    run = empeval.score(run.path, ["length"])
    assert [m for m in run.metrics() if m.scorer == "surface"] == surface
    assert [m.metric for m in run.metrics() if m.scorer == "length"] == ["length"]
    assert list(run.manifest.scorers["ed-mini"]) == ["surface", "length"]


SCORER = """
from empeval import Score, Scorer, ScorerCard, ValueCard

class Kindness(Scorer):
    card = ScorerCard(
        version={version!r},
        summary="Kindness.",
        values=(ValueCard(name="kindness", unit="points", summary="Kindness."),),
    )

    def score(self, samples):
        return [Score(s.id, values={{"kindness": {value}}}) for s in samples]
"""


@pytest.mark.parametrize("again", ["run", "score"])
def test_scores_of_another_version_of_a_scorer_are_made_anew(run, tmp_path, install, again):
    for version in ("1", "2"):
        make_distribution(
            tmp_path / version,
            "kind-plugin",
            points={"empeval.scorers": {"kindness": f"kind_{version}:Kindness"}},
            modules={f"kind_{version}": SCORER.format(version=version, value=float(version))},
        )
        install(tmp_path / version)  # the later one stands before the earlier one
        if version == "1" or again == "score":
            run = empeval.score(run.path, ["kindness"])
        else:
            scorers = ["surface", "kindness"]
            run = empeval.run("human:", ["ed-mini"], scorers, limit=3, out=run.path)
        scores = run.scores("ed-mini", "kindness")
        assert {score.values["kindness"] for score in scores} == {float(version)}
        assert run.manifest.scorers["ed-mini"]["kindness"].version == version
    metrics = {m.metric: m.value for m in run.metrics()}
    assert metrics["kindness"] == 2.0
    assert "words" in metrics


@pytest.mark.usefixtures("odd_plugins")
@pytest.mark.parametrize("older", [False, True])
def test_a_run_whose_task_is_gone_can_still_be_scored(tmp_path, caplog, older):
    run = empeval.run("human:", ["ed-mini", "days"], ["surface"], limit=2, out=tmp_path / "run")
    path = run.path / "run.json"
    for old, new in (('"days"', '"nights"'), ('"days ', '"nights ')):
        path.write_text(path.read_text().replace(old, new))
    for name in ("responses/days.jsonl", "scores/days"):
        (run.path / name).rename(run.path / name.replace("days", "nights"))
    metrics = run.path / "metrics.json"
    metrics.write_text(metrics.read_text().replace('"days"', '"nights"'))
    path.write_text(path.read_text().replace('"sealed"', '"unknown seals"'))
    if older:  # such a folder does not say what the task's items provide
        path.write_text(path.read_text().replace('"provides"', '"unknown"'))
    again = empeval.score(run.path, ["length"])
    said = "the plugin of nights is not installed; it is not scored anew"
    assert (said in caplog.messages) == older
    before = {("ed-mini", "surface"), ("ed-mini", "length"), ("nights", "surface")}
    scored = {(m.task, m.scorer) for m in again.metrics()}
    assert scored == (before if older else before | {("nights", "length")})


def test_a_run_is_not_scored_into_another_folder(run, tmp_path):
    with pytest.raises(UsageError, match="--out goes with a file of dialogues"):
        empeval.score(run.path, ["surface"], out=tmp_path / "other")


def test_without_resume_a_finished_run_is_returned_and_an_unfinished_one_refused(run):
    arguments = {"limit": 3, "out": run.path, "resume": False}
    assert empeval.run("human:", ["ed-mini"], ["surface"], **arguments).complete
    text = (run.path / "run.json").read_text().replace('"complete"', '"running"')
    (run.path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match="holds an unfinished run"):
        empeval.run("human:", ["ed-mini"], ["surface"], **arguments)


@pytest.mark.parametrize("file", ["responses/ed-mini.jsonl", "scores/ed-mini/surface.jsonl"])
def test_a_line_taken_out_of_a_finished_run_is_made_anew(run, file):
    metrics = (run.path / "metrics.json").read_bytes()
    path = run.path / file
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = [*lines[:2], b"{\n", *lines[3:]]
    path.write_bytes(b"".join(damaged))
    spec = {"model": "human:", "tasks": ["ed-mini"], "scorers": ["surface"], "limit": 3}
    with pytest.raises(RunFolderError, match=r"line 3: .*delete that line and run the command"):
        empeval.run(**spec, out=run.path)
    path.write_bytes(b"".join(lines[:2] + lines[3:]))
    again = empeval.run(**spec, out=run.path)
    assert again.complete
    assert sorted(path.read_bytes().splitlines(keepends=True)) == sorted(lines)
    assert (run.path / "metrics.json").read_bytes() == metrics


@pytest.mark.usefixtures("odd_plugins")
def test_what_a_killed_process_left_half_written_is_cleared_away(run):
    left = run.path / ".metrics.json.12345.part"
    left.write_text('{"schema": 1, "met')
    empeval.score(run.path, ["length"])
    assert not left.exists()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"tasks": []}, "No task is named"),
        ({"tasks": ["ed-mini", "ed-mini"]}, "named twice"),
        ({"limit": 0}, "--limit is 0; it must be 1 or more"),
        ({"limit": -3}, "--limit is -3"),
        ({"model": "human"}, "no scheme"),
        ({"model_args": {"fast": True}}, "Unknown option 'fast'"),
        (
            {"tasks": "ed-mini"},
            r"'tasks' is the text 'ed-mini'; give a list of names: \['ed-mini'\]",
        ),
        ({"scorers": "surface"}, "'scorers' is the text 'surface'; give a list"),
        ({"limit": 1.5}, "limit is 1.5; it must be a whole number"),
        ({"sampling": {"temperature": float("nan")}}, "--temperature is nan"),
        ({"sampling": {"max_token": 5}}, "Unknown option 'max_token' of sampling.*'max_tokens'"),
        ({"sampling": {"max_tokens": "x"}}, "The sampling makes no sense: Expected `int`"),
    ],
)
def test_a_run_spec_that_makes_no_sense_is_refused_before_anything_is_written(
    tmp_path, arguments, reason
):
    spec = {"model": "human:", "tasks": ["ed-mini"], "scorers": ["surface"]} | arguments
    with pytest.raises(UsageError, match=reason):
        empeval.run(**spec, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
