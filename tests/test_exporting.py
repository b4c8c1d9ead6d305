"""A run written for other programs: what is in each file, by what the run folder says."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import msgspec
import pytest
import yaml
from support.exported import EMPTY, FAILED, HOSTILE, MISSING, THOUGHT, UNPARSED, asked_run
from support.made_runs import MadeScorer, MadeTask, Value, write_run

import empeval
from empeval import RunFolderError, UsageError
from empeval.exporting import BUILT_IN
from empeval.records import Metric

EEE = {"organization": "A lab", "relationship": "third_party", "model": "org/name"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return asked_run(tmp_path_factory.mktemp("exported"))


def metric_of(run, metric) -> Metric:
    return next(m for m in run.metrics() if m.metric == metric)


def by_hand(values, clusters):
    """Mean and cluster-robust standard error, written out."""
    n, mean = len(values), sum(values) / len(values)
    sums = {}
    for value, cluster in zip(values, clusters, strict=True):
        sums[cluster] = sums.get(cluster, 0.0) + value - mean
    groups = len(sums)
    return mean, math.sqrt(groups / (groups - 1) * sum(s * s for s in sums.values())) / n


@pytest.fixture(scope="module")
def expected(run):
    """The official score of the answers that can be read: mean and standard error."""
    scores = {s.id: s for s in run.scores("eqbench-mini", "eqbench") if s.status == "ok"}
    clusters = [r.item.cluster for r in run.responses("eqbench-mini") if r.id in scores]
    values = [10 * scores[r.id].values["first_pass"]
              for r in run.responses("eqbench-mini") if r.id in scores]  # fmt: skip
    return by_hand(values, clusters)


@pytest.fixture(scope="module")
def log(run, tmp_path_factory):
    (path,) = empeval.export(run, tmp_path_factory.mktemp("inspect"), "inspect")
    return json.loads(path.read_text(encoding="utf-8"))


def test_inspects_samples_hold_question_answer_cluster_and_scores(run, log):
    answers = {line.id: line for line in run.responses("eqbench-mini")}
    scores = {score.id: score for score in run.scores("eqbench-mini", "eqbench")}
    assert [s["id"] for s in log["samples"]] == [n for n in map(str, range(1, 29)) if n != MISSING]
    for sample in log["samples"]:
        line, score = answers[sample["id"]], scores[sample["id"]]
        assert sample["input"] == line.item.messages[-1].content
        assert sample["metadata"]["cluster"] == line.item.cluster
        assert sample["metadata"]["item_hash"] == line.item_hash
        if sample["id"] == FAILED:
            continue
        assert sample["output"]["completion"] == line.response
        given = sample["scores"]["eqbench"]
        found = {name: v for name, v in given["value"].items() if not math.isnan(v)}
        assert found == score.values
        assert given["metadata"]["status"] == score.status


def test_inspects_failures_are_no_zeros(log):
    samples = {sample["id"]: sample for sample in log["samples"]}
    unread = samples[UNPARSED]["scores"]["eqbench"]
    assert all(map(math.isnan, unread["value"].values()))
    assert unread["reason"] == "invalid_response_format"
    assert samples[UNPARSED]["output"]["completion"] == HOSTILE
    assert "null in answers.jsonl" in samples[FAILED]["error"]["message"]
    assert "scores" not in samples[FAILED]
    assert samples[FAILED]["output"]["choices"] == []
    assert samples[EMPTY]["output"]["completion"] == ""
    thought = samples[THOUGHT]["output"]["choices"][0]["message"]["content"]
    assert thought[0] == {"type": "reasoning", "reasoning": "Hm."}
    assert log["results"]["total_samples"] == 28
    assert log["results"]["completed_samples"] == 26


def test_inspects_metrics_have_standard_error_interval_and_n(run, log, expected):
    shown = next(s for s in log["results"]["scores"] if s["name"] == "eqbench_v2")
    mean, error = expected
    assert shown["metrics"]["mean"]["value"] == pytest.approx(mean, rel=1e-9)
    assert shown["metrics"]["stderr"]["value"] == pytest.approx(error, rel=1e-9)
    metric = metric_of(run, "eqbench_v2")
    assert (shown["scored_samples"], shown["unscored_samples"]) == (24, 4)
    assert shown["metadata"]["ci_low"] == metric.ci_low
    assert shown["metadata"]["ci_high"] == metric.ci_high
    assert shown["metadata"]["n_clusters"] == metric.n_clusters
    share = next(s for s in log["results"]["scores"] if s["name"] == "parseable")
    assert list(share["metrics"]) == ["value"], "what is no mean of items is not called one"


@pytest.fixture(scope="module")
def harness(run, tmp_path_factory):
    """The files of lm-eval: results, and samples by id."""
    samples, results = empeval.export(run, tmp_path_factory.mktemp("lm"), "lm-eval")
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    return json.loads(results.read_text(encoding="utf-8")), rows, (samples, results)


def test_lm_evals_results_have_values_errors_and_counts(harness, expected):
    results, rows, files = harness
    values = results["results"]["eqbench-mini"]
    mean, error = expected
    assert values["eqbench.eqbench_v2,none"] == pytest.approx(mean, rel=1e-9)
    assert values["eqbench.eqbench_v2_stderr,none"] == pytest.approx(error, rel=1e-9)
    assert values["eqbench.parseable_stderr,none"] == "N/A"
    assert results["higher_is_better"]["eqbench-mini"]["eqbench.eqbench_v2"] is True
    assert "eqbench.reference_constant" not in results["higher_is_better"]["eqbench-mini"]
    assert results["n-samples"]["eqbench-mini"] == {"original": 28, "effective": 28}
    whole = results["empeval"]["figures"]["eqbench-mini"]["eqbench.eqbench_v2"]
    assert (whole["n"], whole["n_failed"]) == (24, 4)
    assert files[0].parent.name == results["model_name_sanitized"]
    hashes = "".join(r["doc_hash"] + r["prompt_hash"] + r["target_hash"] for r in rows)
    assert results["task_hashes"]["eqbench-mini"] == hashlib.sha256(hashes.encode()).hexdigest()


def test_lm_evals_samples_average_to_the_result_and_leave_failures_out(harness, expected):
    _, rows, _ = harness
    found = {row["doc"]["id"]: row for row in rows}
    values = [row["eqbench.eqbench_v2"] for row in rows if "eqbench.eqbench_v2" in row["metrics"]]
    assert len(values) == 24
    assert sum(values) / 24 == pytest.approx(expected[0], rel=1e-9)
    for name in (UNPARSED, FAILED, EMPTY):
        assert "eqbench.eqbench_v2" not in found[name]
        assert found[name]["metrics"] == []
    assert found[UNPARSED]["resps"] == [[HOSTILE]]
    assert found[FAILED]["resps"] == [[None]]
    assert found[EMPTY]["resps"] == [[""]]
    assert MISSING not in found
    assert found["9"]["doc_id"] == 8, "an index is that of the item, whoever is missing"


@pytest.mark.parametrize("form", ["inspect", "lm-eval"])
def test_what_is_exported_and_read_again_has_the_same_metrics(run, tmp_path, form):
    path = empeval.export(run, tmp_path / "out", form)[0]
    again = empeval.run(f"replay:{path}", ["eqbench-mini"], ["eqbench"], out=tmp_path / "again")
    assert again.metrics() == run.metrics()
    statuses = {line.id: line.status for line in run.responses("eqbench-mini")}
    assert {line.id: line.status for line in again.responses("eqbench-mini")} == statuses


@pytest.mark.parametrize("form", ["inspect", "lm-eval"])
def test_what_is_exported_can_be_scored_as_dialogues(tmp_path, form):
    people = empeval.run("human:", ["ed-mini"], ["surface"], out=tmp_path / "run")
    path = empeval.export(people, tmp_path / "out", form)[0]
    again = empeval.score(path, ["surface"], out=tmp_path / "again")
    values = {m.metric: m.value for m in people.metrics()}
    assert {m.metric: m.value for m in again.metrics()} == pytest.approx(values)


def test_the_users_system_message_is_a_part_of_what_was_asked(tmp_path):
    made = MadeTask("t", ["a"], [MadeScorer("s", [Value("v", [1.0])])])
    asked = write_run(tmp_path / "run", [made])
    model = msgspec.structs.replace(asked.manifest.model, system="Be kind.")
    asked.write_manifest(msgspec.structs.replace(asked.manifest, model=model))
    (path,) = empeval.export(asked.path, tmp_path / "out", "inspect", partial=True)
    (sample,) = json.loads(path.read_text())["samples"]
    assert [m["role"] for m in sample["messages"]] == ["system", "user", "assistant"]
    assert sample["messages"][0]["content"] == "Be kind."


def test_a_benchmarks_result_says_value_date_and_how_sure(run, tmp_path, expected):
    options = {"dataset": "org/benchmark", "task_id": "eq", "source_url": "https://example.org/r",
               "notes": "read twice"}  # fmt: skip
    (path,) = empeval.export(run, tmp_path / "model", "hf-eval-results", options=options)
    assert path == tmp_path / "model" / ".eval_results" / "eqbench-mini.yaml"
    (entry,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert entry["dataset"] == {"id": "org/benchmark", "task_id": "eq"}
    assert entry["value"] == pytest.approx(expected[0], rel=1e-9)
    assert entry["date"] == run.manifest.finished
    assert entry["source"] == {"url": "https://example.org/r"}
    metric = metric_of(run, "eqbench_v2")
    for part in (
        "read twice",
        f"{metric.ci_low:.4g} to {metric.ci_high:.4g}",
        "n = 24",
        "4 failed",
    ):
        assert part in entry["notes"]


def test_another_metric_may_be_told(run, tmp_path):
    options = {"dataset": "org/benchmark", "metric": "eqbench.parseable"}
    (path,) = empeval.export(run, tmp_path, "hf-eval-results", options=options)
    (entry,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert entry["value"] == metric_of(run, "parseable").value


CARD = """---
license: apache-2.0
model-index:
- name: Mine
  results:
  - task: {type: text-generation}
    dataset: {name: Other, type: org/other}
    metrics: [{type: accuracy, value: 0.5}]
---
# A model

--- and a line of its own.
"""


def test_a_model_card_gets_the_metrics_and_keeps_the_rest(run, tmp_path, expected):
    path = tmp_path / "README.md"
    path.write_text(CARD, encoding="utf-8")
    for _ in range(2):  # the second time replaces what the first wrote
        assert empeval.export(run, tmp_path, "hf-model-index") == [path]
    text = path.read_text(encoding="utf-8")
    assert text.endswith("# A model\n\n--- and a line of its own.\n")
    data = yaml.safe_load(text.split("---")[1])
    assert data["license"] == "apache-2.0"
    (index,) = data["model-index"]
    assert index["name"] == "Mine"
    metrics = {m["type"]: m for result in index["results"] for m in result["metrics"]}
    assert metrics["accuracy"]["value"] == 0.5
    assert metrics["eqbench.eqbench_v2"]["value"] == pytest.approx(expected[0], rel=1e-9)
    args = metrics["eqbench.eqbench_v2"]["args"]
    assert args["standard_error"] == pytest.approx(expected[1], rel=1e-9)
    assert (args["n"], args["n_failed"]) == (24, 4)
    assert len(metrics) == 1 + sum(m.higher_is_better is not None for m in run.metrics())
    assert sum(len(result["metrics"]) for result in index["results"]) == len(metrics)


def test_a_card_that_cannot_be_read_is_left_alone(run, tmp_path):
    path = tmp_path / "README.md"
    path.write_text("---\nmodel-index: [{name: 1}]\n---\n", encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="its 'model-index' is none that the hub reads"):
        empeval.export(run, tmp_path, "hf-model-index")
    assert path.read_bytes() == before


def test_a_record_of_every_eval_ever_says_who_how_sure_and_of_what(run, tmp_path, expected):
    path, samples = empeval.export(run, tmp_path, "every-eval-ever", options=EEE)
    assert path.relative_to(tmp_path).parts[:4] == ("data", "eqbench-mini", "org", "name")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert record["source_metadata"]["source_organization_name"] == "A lab"
    assert record["source_metadata"]["evaluator_relationship"] == "third_party"
    assert record["model_info"]["id"] == "org/name"
    results = {r["evaluation_result_id"]: r for r in record["evaluation_results"]}
    official = results["eqbench.eqbench_v2"]
    assert official["score_details"]["score"] == pytest.approx(expected[0], rel=1e-9)
    sure = official["score_details"]["uncertainty"]
    metric = metric_of(run, "eqbench_v2")
    assert sure["num_samples"] == 24
    assert sure["standard_error"]["value"] == pytest.approx(expected[1], rel=1e-9)
    assert sure["confidence_interval"]["lower"] == metric.ci_low
    assert sure["confidence_interval"]["upper"] == metric.ci_high
    assert official["metric_config"]["lower_is_better"] is False
    assert results["eqbench.unparsed_empty"]["metric_config"]["lower_is_better"] is True
    assert "eqbench.reference_constant" not in results, "neither more nor less of it is better"
    detail = record["detailed_evaluation_results"]
    rows = [json.loads(line) for line in samples.read_text(encoding="utf-8").splitlines()]
    assert detail["total_rows"] == len(rows)
    assert detail["checksum"] == hashlib.sha256(samples.read_bytes()).hexdigest()
    assert detail["file_path"] == samples.relative_to(tmp_path).as_posix()
    own = [r for r in rows if r["evaluation_result_id"] == "eqbench.eqbench_v2"]
    assert len(own) == 24
    assert not {UNPARSED, FAILED, EMPTY, MISSING} & {row["sample_id"] for row in own}
    mean = sum(row["evaluation"]["score"] for row in own) / 24
    assert mean == pytest.approx(expected[0], rel=1e-9)
    best = {row["sample_id"] for row in own if row["evaluation"]["is_correct"]}
    assert best == {r["sample_id"] for r in own if r["evaluation"]["score"] == 100}
    assert best


@pytest.mark.parametrize("form", sorted(BUILT_IN))
def test_the_same_export_again_replaces_the_files(run, tmp_path, form):
    if form == "inspect-eval":
        pytest.importorskip("inspect_ai", reason="only Inspect packs its logs")
    options = {"every-eval-ever": EEE, "hf-eval-results": {"dataset": "org/b"}}.get(form, {})
    first = empeval.export(run, tmp_path / "out", form, options=options)
    bytes_before = {path: path.read_bytes() for path in first}
    assert empeval.export(run.path, tmp_path / "out", form, options=options) == first
    assert {p for p in (tmp_path / "out").rglob("*") if p.is_file()} == set(first)
    if form != "inspect-eval":  # an archive holds times
        assert {path: path.read_bytes() for path in first} == bytes_before


def test_a_part_of_the_items_is_told(tmp_path, caplog):
    part = asked_run(tmp_path, limit=10)
    options = {"dataset": "org/b"}
    (path,) = empeval.export(part, tmp_path / "m", "hf-eval-results", options=options)
    (entry,) = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert "a part of the items (limit 10, seed 0)" in entry["notes"]
    assert "asked a part of the items only" in caplog.text


@pytest.mark.parametrize(
    ("form", "options", "message"),
    [
        ("every-eval-ever", {}, "A record needs --to-args organization=...: who made"),
        ("every-eval-ever", {**EEE, "relationship": "friends"}, "must be one of first_party"),
        ("every-eval-ever", {**EEE, "model": ""}, "filed under its model as DEVELOPER/NAME"),
        ("every-eval-ever", {**EEE, "model": "../../x"}, "'../../x' is none"),
        ("hf-eval-results", {}, "No task of the run has its data on the hub"),
        ("hf-eval-results", {"dataset": "benchmark"}, "it must be OWNER/NAME"),
        ("hf-eval-results", {"dataset": "a/b", "metric": "eqbench.eqbench"}, "no such metric"),
        ("hf-model-index", {"source_name": "x"}, "source_name goes with a source_url"),
        ("inspect", {"metric": "x"}, "inspect has no option 'metric'"),
        ("inspec", {}, "Did you mean 'inspect'"),
        ("csv", {"x": "y"}, "a spreadsheet has no options"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_is_written(run, tmp_path, form, options, message):
    with pytest.raises(UsageError, match=message):
        empeval.export(run, tmp_path / "out", form, options=options)
    assert not (tmp_path / "out").exists()


def test_what_a_folder_calls_itself_leads_nowhere_else(tmp_path):
    made = MadeTask("../../up", ["a", "b"], [MadeScorer("s", [Value("v", [1.0, 2.0])])])
    odd = write_run(tmp_path / "run", [made], model="hf:../../../etc/x")
    for form in ("inspect", "lm-eval", "hf-model-index"):
        out = tmp_path / "out" / form
        written = empeval.export(odd, out, form, partial=True)
        assert written
        assert all(out in Path(path).resolve().parents for path in written)
    data = json.loads((odd.path / "run.json").read_text())
    (odd.path / "run.json").write_text(json.dumps({**data, "created": "../../../x"}))
    with pytest.raises(RunFolderError, match="is no date"):
        empeval.export(odd.path, tmp_path / "out", "inspect", partial=True)


def test_an_unfinished_run_is_refused_but_for_partial(tmp_path):
    made = MadeTask("t", ["a", "b"], [MadeScorer("s", [Value("v", [1.0, 2.0])])])
    half = write_run(tmp_path / "run", [made], status="running")
    with pytest.raises(RunFolderError, match="is unfinished"):
        empeval.export(half, tmp_path / "out", "inspect")
    (path,) = empeval.export(half, tmp_path / "out", "inspect", partial=True)
    assert json.loads(path.read_text())["status"] == "started"


def test_the_command_line_writes_it(run, cli, tmp_path):
    made = cli("export", run.path, "--to", "lm-eval")
    assert made.code == 0, made.err
    assert all(path.startswith("run-lm-eval/") for path in made.out.split())
    options = "organization=A lab,relationship=other,model=org/name"
    made = cli("export", run.path, "--to", "every-eval-ever", "--to-args", options, "--out", "e")
    assert made.code == 0, made.err
    assert len(made.out.split()) == 2
    assert cli("export", run.path, "--to", "excel").code == 2
    (tmp_path / "file").write_text("")
    refused = cli("export", run.path, "--to", "inspect", "--out", "file")
    assert "inspect needs a folder" in refused.err
