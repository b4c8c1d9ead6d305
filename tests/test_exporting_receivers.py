"""Each export as its receiver's own package reads it; without the package, a skip that says so."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from support.exported import FAILED, HOSTILE, MISSING, THOUGHT, UNPARSED, asked_run

import empeval

EEE = {"organization": "A lab", "relationship": "third_party", "model": "org/name"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return asked_run(tmp_path_factory.mktemp("exported"))


@pytest.fixture(scope="module")
def official(run):
    return next(m for m in run.metrics() if m.metric == "eqbench_v2")


def test_the_hub_reads_a_benchmarks_result(run, tmp_path, official):
    from huggingface_hub import EvalResultEntry
    from huggingface_hub._eval_results import parse_eval_result_entries

    options = {"dataset": "org/b", "source_url": "https://example.org", "source_name": "Traces"}
    (path,) = empeval.export(run, tmp_path, "hf-eval-results", options=options)
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    (entry,) = parse_eval_result_entries(data)
    assert isinstance(entry, EvalResultEntry)
    assert (entry.dataset_id, entry.task_id) == ("org/b", "eqbench-mini")
    assert entry.value == official.value
    assert (entry.source_url, entry.source_name) == ("https://example.org", "Traces")


def test_the_hub_reads_a_model_card(run, tmp_path, official):
    from huggingface_hub import ModelCard

    empeval.export(run, tmp_path, "hf-model-index", options={"model": "Mine"})
    card = ModelCard.load(tmp_path / "README.md", ignore_metadata_errors=False)
    assert card.data.model_name == "Mine"
    found = {result.metric_type: result for result in card.data.eval_results}
    assert found["eqbench.eqbench_v2"].metric_value == official.value
    assert found["eqbench.eqbench_v2"].metric_args["ci_low"] == official.ci_low
    assert found["eqbench.eqbench_v2"].dataset_type == "eqbench-mini"


@pytest.fixture(params=["inspect", "inspect-eval"])
def log(request, run, tmp_path):
    reading = pytest.importorskip("inspect_ai.log", reason="Inspect is not installed")
    (path,) = empeval.export(run, tmp_path / "logs", request.param)
    return reading.read_eval_log(str(path))


def test_inspect_reads_a_log(log, official):
    samples = {sample.id: sample for sample in log.samples}
    assert log.status == "success"
    assert MISSING not in samples
    assert len(samples) == 27
    assert samples[FAILED].error is not None
    assert samples[FAILED].scores is None
    unread = samples[UNPARSED].scores["eqbench"]
    assert unread.reason == "invalid_response_format"
    assert all(math.isnan(value) for value in unread.as_dict().values())
    assert samples[UNPARSED].output.completion == HOSTILE
    assert samples["1"].scores["eqbench"].as_dict()["first_pass"] == pytest.approx(10)
    assert samples["1"].metadata["cluster"]
    assert samples[THOUGHT].messages[-1].content[0].reasoning == "Hm."
    shown = next(score for score in log.results.scores if score.name == "eqbench_v2")
    assert shown.metrics["mean"].value == official.value
    assert shown.metrics["stderr"].value > 0


@pytest.mark.slow  # half a minute: Inspect copies its page
def test_inspects_viewer_takes_the_folder(run, tmp_path):
    reading = pytest.importorskip("inspect_ai.log", reason="Inspect is not installed")
    empeval.export(run, tmp_path / "logs", "inspect")
    (found,) = reading.list_eval_logs(str(tmp_path / "logs"))
    assert found.task == "eqbench-mini"
    reading.bundle_log_dir(str(tmp_path / "logs"), str(tmp_path / "page"))
    assert (tmp_path / "page" / "index.html").is_file()
    assert list((tmp_path / "page" / "logs").glob("*eqbench-mini*.json"))


def test_a_packed_log_read_again_has_the_same_metrics(run, tmp_path):
    pytest.importorskip("inspect_ai", reason="Inspect is not installed")
    (path,) = empeval.export(run, tmp_path / "out", "inspect-eval")
    again = empeval.run(f"replay:{path}", ["eqbench-mini"], ["eqbench"], out=tmp_path / "again")
    assert again.metrics() == run.metrics()


def test_lm_evals_own_table_shows_the_metrics(run, tmp_path, official):
    pytest.importorskip("pytablewriter", reason="lm-eval's table needs it")
    utils = pytest.importorskip("lm_eval.utils", reason="lm-eval is not installed")
    samples, results = empeval.export(run, tmp_path, "lm-eval")
    table = utils.make_table(json.loads(results.read_text(encoding="utf-8")))
    row = next(line for line in table.splitlines() if "eqbench.eqbench_v2" in line)
    assert f"{official.value:.4f}" in row
    assert "±" in row
    assert utils.get_results_filenames([str(results), str(samples)]) == [str(results)]
    assert utils.get_sample_results_filenames([str(results), str(samples)]) == [str(samples)]
    assert utils.get_file_task_name(samples.name) == "eqbench-mini"
    assert utils.get_file_datetime(samples.name) in results.name


def test_lm_evals_schema_names_every_field_of_a_sample(run, tmp_path):
    schema = pytest.importorskip("lm_eval.result_schema", reason="lm-eval is not installed")
    samples, _ = empeval.export(run, tmp_path, "lm-eval")
    for line in samples.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        assert set(schema.SampleResult.__annotations__) <= row.keys()
        more = row.keys() - set(schema.SampleResult.__annotations__)
        assert more == set(row["metrics"])
        assert all(isinstance(row[name], float) for name in more)


def test_every_eval_ever_finds_nothing_wrong(run, tmp_path):
    """Its package wants a newer Python than ours may be, so it is asked as a command."""
    command = os.environ.get("EVERY_EVAL_EVER") or shutil.which("every_eval_ever")
    if command is None:
        pytest.skip("the command every_eval_ever is not installed, or named by EVERY_EVAL_EVER")
    written = empeval.export(run, tmp_path, "every-eval-ever", options=EEE)
    files = [str(Path(path).relative_to(tmp_path)) for path in written]
    done = subprocess.run(
        [command, "validate", "--format", "json", *files],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    reports = json.loads(done.stdout)
    assert {report["file"] for report in reports} == set(files)
    for report in reports:
        assert report["valid"], report["errors"]
        assert report["warnings"] == []
