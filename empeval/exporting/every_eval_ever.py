"""Every Eval Ever: a record a task, and a line for each item's value in each metric.

The layout is that of its data store: ``data/TASK/DEVELOPER/MODEL/UUID.json`` and
``UUID_samples.jsonl`` beside it, schema 0.3.0.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from empeval.__about__ import __version__
from empeval.errors import UsageError
from empeval.exporting.asked import (
    compact,
    date_of,
    hub_id,
    lines_of,
    messages_of,
    model_id,
    opened,
    plain_messages,
    warn_of_limit,
)
from empeval.exporting.metrics import KnownMetric, metrics_of, values_by_item
from empeval.files import replacing, write_bytes
from empeval.formats import ExportFormat
from empeval.notices import warn
from empeval.records import ResponseLine
from empeval.runs import Manifest, Run, RunFiles, slug

SCHEMA_VERSION = "0.3.0"

RELATIONSHIPS = ("first_party", "third_party", "collaborative", "other")

OPTIONS = {
    "organization": "who made the evaluation (needed)",
    "relationship": f"of them to the model: {', '.join(RELATIONSHIPS)} (needed)",
    "model": "the model as DEVELOPER/NAME; by default its id on the hub",
    "organization_url": "where they can be found",
}


def write(run: Run, out: Path, options: Mapping[str, str]) -> list[Path]:
    """Write a record and its samples for each task.

    Raises:
        UsageError: it is not said who evaluated, or which model that was.
    """
    model = _checked(run.manifest, options)
    files = opened(run)
    part = warn_of_limit(run.manifest)
    written: list[Path] = []
    for task in run.manifest.tasks:
        metrics = [f for f in metrics_of(files, task) if f.metric.higher_is_better is not None]
        if not metrics:
            warn(f"{task}: it has no metric of which more or less is better; it is left out")
            continue
        name = _uuid(run.manifest, task)
        folder = Path("data", slug(task), *(slug(part) for part in model.split("/")))
        record = _record(files, task, model, metrics, options, part)
        samples = folder / f"{name}_samples.jsonl"
        count, checksum = _write_samples(files, record, task, metrics, out / samples)
        record["detailed_evaluation_results"] = {
            "format": "jsonl",
            "file_path": samples.as_posix(),
            "hash_algorithm": "sha256",
            "checksum": checksum,
            "total_rows": count,
        }
        path = out / folder / f"{name}.json"
        write_bytes(path, (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode())
        written += [path, out / samples]
    if not written:
        raise UsageError("The run has no metric of which more or less is better.")
    return written


FORMAT = ExportFormat(
    "every-eval-ever", "records and samples for the Every Eval Ever data store", write, OPTIONS
)


def _checked(manifest: Manifest, options: Mapping[str, str]) -> str:
    """The model as ``DEVELOPER/NAME``.

    Raises:
        UsageError: it is not known, or it is not said who evaluated.
    """
    for name in ("organization", "relationship"):
        if not options.get(name):
            what = OPTIONS[name].removesuffix(" (needed)")
            raise UsageError(f"A record needs --to-args {name}=...: {what}.")
    if options["relationship"] not in RELATIONSHIPS:
        raise UsageError(
            f"--to-args relationship={options['relationship']}: it must be one of "
            f"{', '.join(RELATIONSHIPS)}."
        )
    model = options.get("model") or model_id(manifest)
    if hub_id(model) is None:
        found = f"'{model}' is none" if model else f"'{manifest.model.uri}' does not say it"
        raise UsageError(
            "A record is filed under its model as DEVELOPER/NAME, such as "
            f"org/name; {found}: --to-args model=DEVELOPER/NAME."
        )
    assert model is not None  # noqa: S101 - hub_id has seen it
    return model


def _uuid(manifest: Manifest, task: str) -> str:
    """A name of the form of a UUID 4, the same for the same run, so that it is replaced."""
    facts = (manifest.created, manifest.model.fingerprint, manifest.tasks[task].prompts_hash, task)
    return str(uuid.UUID(bytes=hashlib.sha256("\0".join(facts).encode()).digest()[:16], version=4))


def _record(
    files: RunFiles,
    task: str,
    model: str,
    metrics: list[KnownMetric],
    options: Mapping[str, str],
    part: str,
) -> dict[str, Any]:
    manifest = files.run.manifest
    finished = manifest.finished or manifest.created
    stamp = str(int(date_of(finished).timestamp()))
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": f"{task}/{model}/{stamp}",
        "evaluation_timestamp": finished,
        "retrieved_timestamp": stamp,
        "source_metadata": compact(
            {
                "source_name": "empeval",
                "source_type": "evaluation_run",
                "source_organization_name": options["organization"],
                "source_organization_url": options.get("organization_url"),
                "evaluator_relationship": options["relationship"],
            }
        ),
        "eval_library": {
            "name": "empeval",
            "version": str(manifest.environment.get("empeval", __version__)),
        },
        "model_info": _model(manifest, model),
        "evaluation_results": [_result(files, known, finished, part) for known in metrics],
    }


def _model(manifest: Manifest, model: str) -> dict[str, Any]:
    scheme = manifest.model.uri.partition(":")[0]
    own = scheme in ("hf", "openvino", "packaged", "vllm")
    details = {
        "deployment_type": "self_deployed" if own else "unknown",
        "model_availability": "unknown",
        "fingerprint": manifest.model.fingerprint,
        "license": manifest.model.license,
        "system_message": manifest.model.system,
    }
    return {
        "name": manifest.model.name,
        "id": model,
        "developer": model.partition("/")[0],
        "additional_details": compact(details),
    }


def _result(files: RunFiles, known: KnownMetric, finished: str, part: str) -> dict[str, Any]:
    metric = known.metric
    entry = files.run.manifest.tasks[metric.task]
    hub = hub_id(entry.dataset)
    source = {
        "dataset_name": entry.dataset or metric.task,
        "source_type": "hf_dataset" if hub else "other",
        **compact({"hf_repo": hub, "samples_number": entry.n_items if hub else None}),
        "additional_details": compact(
            {"fingerprint": entry.data_fingerprint, "license": entry.license, "part": part or None}
        ),
    }
    sampling = entry.sampling
    arguments = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens}
    return {
        "evaluation_result_id": known.name,
        "evaluation_name": metric.task,
        "source_data": source,
        "evaluation_timestamp": finished,
        "metric_config": {
            "metric_id": f"{metric.task}.{known.name}",
            "metric_name": metric.metric,
            "metric_unit": metric.unit,
            "lower_is_better": not metric.higher_is_better,
            **_bounds(known),
        },
        "score_details": {
            "score": known.value,
            "details": {name: str(value) for name, value in known.facts().items()},
            "uncertainty": _uncertainty(known),
        },
        "generation_config": {
            "generation_args": {
                **arguments,
                **({"top_p": sampling.top_p} if sampling.temperature else {}),
            },
            "additional_details": {"seed": str(sampling.seed), "stop": json.dumps(sampling.stop)},
        },
    }


def _bounds(known: KnownMetric) -> dict[str, Any]:
    """What kind of number it is, and its range where that is known."""
    if known.range is None:
        return {}
    low, high = known.range
    return {
        "score_type": "binary" if known.metric.unit == "percent" else "continuous",
        "min_score": "-Infinity" if low is None else low,
        "max_score": "Infinity" if high is None else high,
    }


def _uncertainty(known: KnownMetric) -> dict[str, Any]:
    error, interval = known.standard_error, known.interval
    found: dict[str, Any] = {"num_samples": known.metric.n}
    if error is not None:
        found["standard_error"] = {"value": error, "method": "cluster-robust"}
    if interval is not None:
        ends = {"lower": interval[0], "upper": interval[1], "confidence_level": 0.95}
        found["confidence_interval"] = {**ends, **compact({"method": known.method})}
    return found


def _write_samples(
    files: RunFiles, record: Mapping[str, Any], task: str, metrics: list[KnownMetric], path: Path
) -> tuple[int, str]:
    """Write a line for each item and metric in which it has a value; their number and hash.

    A line must have a score, so what has none (an answer that cannot be read) has no line.
    """
    lines = lines_of(files, task)
    means = [known for known in metrics if known.estimate is not None]
    columns = [(known, values_by_item(files, known, lines.ids)) for known in means]
    count, whole = 0, hashlib.sha256()
    with replacing(path) as part, open(part, "wb") as file:
        for index, line in enumerate(lines):
            for known, column in columns:
                value = column[index]
                if value is None:
                    continue
                row = _row(files.run, record, known, line, value)
                data = (json.dumps(row, ensure_ascii=False) + "\n").encode()
                file.write(data)
                whole.update(data)
                count += 1
    return count, whole.hexdigest()


def _row(
    run: Run, record: Mapping[str, Any], known: KnownMetric, line: ResponseLine, value: float
) -> dict[str, Any]:
    asked = plain_messages(messages_of(run, line))
    reference = [] if line.item.reference is None else [line.item.reference]
    if not reference and line.item.target:
        reference = [json.dumps(line.item.target, ensure_ascii=False, sort_keys=True)]
    single = len(asked) == 1
    answer = {"role": "assistant", "content": line.response, "reasoning_trace": line.reasoning}
    turns = [{"turn_idx": index, **turn} for index, turn in enumerate([*asked, compact(answer)])]
    thoughts = None if line.reasoning is None else [line.reasoning]
    said = compact({"raw": [line.response], "reasoning_trace": thoughts})
    return {
        "schema_version": SCHEMA_VERSION,
        "evaluation_id": record["evaluation_id"],
        "model_id": record["model_info"]["id"],
        "evaluation_name": known.metric.task,
        "evaluation_result_id": known.name,
        "sample_id": line.id,
        "sample_hash": line.item_hash,
        "interaction_type": "single_turn" if single else "multi_turn",
        "input": {"raw": asked[-1]["content"], "reference": reference},
        "output": said if single else None,
        "messages": None if single else turns,
        "answer_attribution": [],
        "evaluation": {"score": value, "is_correct": _is_best(known, value)},
        **_spent(line),
        "metadata": {"cluster": line.item.cluster, "status": line.status},
    }


def _is_best(known: KnownMetric, value: float) -> bool:
    """Whether a value is the best there is; the schema asks of any value whether it is correct."""
    if known.range is None:
        return False
    return value == known.range[1 if known.metric.higher_is_better else 0]


def _spent(line: ResponseLine) -> dict[str, Any]:
    read, wrote = line.prompt_tokens, line.completion_tokens
    usage = None
    if read is not None and wrote is not None:
        usage = {"input_tokens": read, "output_tokens": wrote, "total_tokens": read + wrote}
    took = None if line.seconds is None else {"latency_ms": 1000 * line.seconds}
    return compact({"token_usage": usage, "performance": took})
