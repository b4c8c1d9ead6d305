"""Hugging Face: ``.eval_results/TASK.yaml`` in a model's repository, a metric a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from empeval.errors import UnknownNameError, UsageError, nearest
from empeval.exporting.asked import compact, hub_id, opened, warn_of_limit
from empeval.exporting.metrics import KnownMetric, metrics_of
from empeval.files import write_text
from empeval.formats import ExportFormat
from empeval.notices import warn
from empeval.runs import Run, RunFiles, slug

OPTIONS = {
    "metric": "which metric, as SCORER.METRIC; by default the first that has a direction",
    "dataset": "the benchmark's data set on the hub, OWNER/NAME; by default the task's",
    "task_id": "the task's id in the benchmark's eval.yaml; by default the task's name",
    "source_url": "where the traces or the run folder can be read",
    "source_name": "what to call that",
    "notes": "what else a reader should know of how it was asked",
}


def write(run: Run, out: Path, options: Mapping[str, str]) -> list[Path]:
    """Write a file for each task whose data set is a benchmark on the hub.

    Raises:
        UsageError: no task has a data set there, or an option does not fit.
    """
    try:
        from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml
    except ImportError as error:
        raise UsageError(
            "Writing .eval_results needs a newer huggingface_hub: pip install -U huggingface_hub"
        ) from error
    import yaml

    files = opened(run)
    manifest = run.manifest
    if len(manifest.tasks) > 1 and {"dataset", "task_id"} & options.keys():
        raise UsageError("--to-args: dataset and task_id go with a run of one task.")
    if "source_name" in options and "source_url" not in options:
        raise UsageError("--to-args: source_name goes with a source_url.")
    if "dataset" in options and hub_id(options["dataset"]) is None:
        raise UsageError(f"--to-args dataset={options['dataset']}: it must be OWNER/NAME.")
    part = warn_of_limit(manifest)
    written = []
    for task, entry in manifest.tasks.items():
        dataset = options.get("dataset") or hub_id(entry.dataset)
        if dataset is None:
            warn(f"{task}: its data are not on the hub ('{entry.dataset}'); it is left out")
            continue
        known = _chosen(files, task, options.get("metric"))
        notes = [*filter(None, [options.get("notes")]), known.sentence(), part]
        result = EvalResultEntry(
            dataset_id=dataset,
            task_id=options.get("task_id", task),
            value=known.value,
            date=manifest.finished or manifest.created,
            notes="; ".join(filter(None, notes)),
            **compact({name: options.get(name) for name in ("source_url", "source_name")}),
        )
        path = out / ".eval_results" / f"{slug(task)}.yaml"
        made = eval_result_entries_to_yaml([result])
        write_text(path, yaml.safe_dump(made, sort_keys=False, allow_unicode=True))
        written.append(path)
    if not written:
        raise UsageError(
            "No task of the run has its data on the hub; of a run of one task, name the "
            "benchmark: --to-args dataset=OWNER/NAME."
        )
    return written


FORMAT = ExportFormat(
    "hf-eval-results",
    "a model repository's .eval_results for the hub's leaderboards",
    write,
    OPTIONS,
)


def _chosen(files: RunFiles, task: str, wanted: str | None) -> KnownMetric:
    """The metric that is told: a leaderboard has one a task.

    Raises:
        UsageError: there is none.
    """
    metrics = {known.name: known for known in metrics_of(files, task)}
    if wanted is not None:
        if wanted not in metrics:
            said = f"--to-args metric={wanted}: {task} has no such metric."
            raise UnknownNameError(said, kind="metric", name=wanted, known=metrics)
        return metrics[wanted]
    for known in metrics.values():
        if known.metric.higher_is_better is not None:
            return known
    raise UsageError(
        f"{task} has no metric of which more or less is better; name one with --to-args "
        f"metric=SCORER.METRIC.{nearest('', metrics)}"
    )
