"""Hugging Face: ``model-index`` in the metadata of a model card, beside what else is there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from empeval.errors import UsageError
from empeval.exporting.asked import compact, hub_id, model_id, opened, warn_of_limit
from empeval.exporting.metrics import KnownMetric, metrics_of
from empeval.files import open_regular, replacing
from empeval.formats import ExportFormat
from empeval.runs import Run, RunFiles

OPTIONS = {
    "model": "the model's name in the index; by default the card's, else the run's",
    "source_url": "where the traces or the run folder can be read",
    "source_name": "what to call that",
}


def write(run: Run, out: Path, options: Mapping[str, str]) -> list[Path]:
    """Put the metrics into ``README.md``; the rest of an existing one stays as it is.

    Metrics of which neither more nor less is better (a reply's length) are no result and left out.

    Raises:
        UsageError: the card cannot be read, or the run has no such metric.
    """
    from huggingface_hub import metadata_save
    from huggingface_hub.repocard_data import eval_results_to_model_index

    if "source_name" in options and "source_url" not in options:
        raise UsageError("--to-args: source_name goes with a source_url.")
    files = opened(run)
    part = warn_of_limit(run.manifest)
    made = [r for task in run.manifest.tasks for r in _results(files, task, options, part)]
    if not made:
        raise UsageError("The run has no metric of which more or less is better.")
    path = out / "README.md"
    before, data = _card(path)
    name, kept = _known(data, path)
    kept = [old for old in kept if not any(_same(old, new) for new in made)]
    shown = options.get("model") or name or model_id(run.manifest) or run.manifest.model.name
    data["model-index"] = eval_results_to_model_index(shown, [*kept, *made])
    with replacing(path) as written:
        written.write_bytes(before)
        metadata_save(written, data)
    return [path]


FORMAT = ExportFormat(
    "hf-model-index", "the model-index of a model card, README.md in the folder", write, OPTIONS
)


def _results(
    files: RunFiles, task: str, options: Mapping[str, str], part: str
) -> list[Any]:  # of EvalResult
    entry = files.run.manifest.tasks[task]
    found = [f for f in metrics_of(files, task) if f.metric.higher_is_better is not None]
    return [_result(task, hub_id(entry.dataset) or task, known, options, part) for known in found]


def _result(
    task: str, dataset: str, known: KnownMetric, options: Mapping[str, str], part: str
) -> Any:
    from huggingface_hub import EvalResult

    return EvalResult(
        task_type="text-generation",
        task_name=task,
        dataset_type=dataset,
        dataset_name=task,
        metric_type=known.name,
        metric_name=known.name,
        metric_value=known.value,
        metric_args=known.facts()
        | compact({"standard_error": known.standard_error, "items": part or None}),
        **compact({name: options.get(name) for name in ("source_url", "source_name")}),
    )


def _card(path: Path) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a model card and its metadata; nothing of either where there is none."""
    import yaml
    from huggingface_hub import metadata_load

    try:
        with open(open_regular(path), "rb") as file:
            text = file.read()
        return text, dict(metadata_load(path) or {})
    except FileNotFoundError:
        return b"", {}
    except (OSError, ValueError, yaml.YAMLError) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be read as a model card: {why}.") from error


def _known(data: Mapping[str, Any], path: Path) -> tuple[str, list[Any]]:
    """The name and the results that a card has already."""
    from huggingface_hub.repocard_data import model_index_to_eval_results

    if not data.get("model-index"):
        return "", []
    try:
        name, results = model_index_to_eval_results(data["model-index"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(
            f"{path}: its 'model-index' is none that the hub reads ({error!r}); mend or remove it."
        ) from error
    return str(name), results


def _same(old: Any, new: Any) -> bool:
    """Whether two results are of the same metric of the same data."""
    return (old.task_name, old.dataset_type, old.dataset_name, old.metric_type) == (
        new.task_name, new.dataset_type, new.dataset_name, new.metric_type,
    )  # fmt: skip
