"""Inspect: a log a task, as JSON, with samples, scores and metrics.

Nothing of Inspect's is needed to write one. A score that could not be had is NaN with a reason,
which is how Inspect leaves it out of its own metrics; an answer that could not be had is an error
of its sample.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from empeval.__about__ import __version__
from empeval.exporting.asked import (
    compact,
    date_of,
    is_answered,
    lines_of,
    messages_of,
    opened,
    plain_messages,
    target_of,
)
from empeval.exporting.metrics import KnownMetric, metrics_of
from empeval.files import replacing
from empeval.formats import ExportFormat
from empeval.records import ResponseLine, Score
from empeval.runs import Run, RunFiles, slug

NAN = float("nan")

_REASONS = {
    "unparsed": "invalid_response_format",
    "refused": "refusal",
    "error": "scoring_failed",
    "truncated": "truncated",
}
_STOPS = {"ok": "stop", "empty": "stop", "truncated": "max_tokens"}


def write(run: Run, out: Path, options: Mapping[str, str]) -> list[Path]:
    """Write ``DATE_TASK_ID.json`` for each task."""
    files = opened(run)
    written = []
    for task in run.manifest.tasks:
        path = out / f"{log_name(run, task)}.json"
        with replacing(path) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps(_header(files, task))[:-1] + ', "samples": [')
            asked = (line for line in lines_of(files, task) if line.status != "missing")
            for index, line in enumerate(asked):
                file.write(",\n" if index else "\n")
                file.write(json.dumps(_sample(files, task, line)))
            file.write("\n]}\n")
        written.append(path)
    return written


FORMAT = ExportFormat(
    "inspect", "logs for Inspect (inspect view, inspect_ai.log.read_eval_log)", write
)


def log_name(run: Run, task: str) -> str:
    """A log's name as Inspect's own are: the date, the task, an id."""
    date = date_of(run.manifest.created).isoformat(timespec="seconds").replace(":", "-")
    return f"{date}_{slug(task)}_{_id(run, task)}"


def _id(run: Run, *more: str) -> str:
    """An id of 22 letters and digits, the same for the same run."""
    manifest = run.manifest
    facts = (manifest.created, manifest.model.fingerprint, *more)
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:22]


def _header(files: RunFiles, task: str) -> dict[str, Any]:
    """The log without its samples."""
    run, manifest = files.run, files.run.manifest
    entry, finished = manifest.tasks[task], manifest.finished or manifest.created
    sampling = entry.sampling
    dataset = {"name": entry.dataset, "samples": entry.n_items}
    spec = {
        "eval_id": _id(run, task, "eval"),
        "run_id": _id(run, "run"),
        "task_id": _id(run, task),
        "created": manifest.created,
        "task": task,
        "task_version": entry.version,
        "task_args": entry.arguments,
        "dataset": compact(dataset),
        "model": manifest.model.uri,
        "model_args": manifest.model.arguments,
        "model_generate_config": {
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "seed": sampling.seed,
            "stop_seqs": list(sampling.stop),
            **compact({"system_message": manifest.model.system}),
        },
        "config": {"limit": entry.n_items} if manifest.limit is not None else {},
        "scorers": [{"name": label} for label in manifest.scorers.get(task, {})],
        "packages": {"empeval": str(manifest.environment.get("empeval", __version__))},
        "metadata": {
            "model_fingerprint": manifest.model.fingerprint,
            "data_fingerprint": entry.data_fingerprint,
            "data_license": entry.license,
            "limit": manifest.limit,
            "warnings": manifest.warnings,
        },
    }
    return {
        "version": 2,
        "status": "success" if run.complete else "started",
        "eval": spec,
        "plan": {"name": "plan", "steps": [{"solver": "generate", "params": {}}]},
        "results": _results(files, task),
        "stats": {"started_at": manifest.created, "completed_at": finished},
    }


def _results(files: RunFiles, task: str) -> dict[str, Any]:
    lines = files.run.lines(task)
    return {
        "total_samples": files.run.manifest.tasks[task].n_items,
        "completed_samples": sum(status not in ("missing", "error") for status in lines.statuses),
        "scores": [_metric(known) for known in metrics_of(files, task)],
    }


def _metric(known: KnownMetric) -> dict[str, Any]:
    kind = "value" if known.estimate is None else "mean"
    values = compact({kind: known.value, "stderr": known.standard_error})
    return {
        "name": known.metric.metric,
        "scorer": known.metric.scorer,
        "scored_samples": known.metric.n,
        "unscored_samples": known.metric.n_failed,
        "metrics": {name: {"name": name, "value": value} for name, value in values.items()},
        "metadata": known.facts(),
    }


def _sample(files: RunFiles, task: str, line: ResponseLine) -> dict[str, Any]:
    asked = plain_messages(messages_of(files.run, line))
    single = len(asked) == 1 and asked[0]["role"] == "user"
    made: dict[str, Any] = {
        "id": line.id,
        "epoch": 1,
        "input": asked[0]["content"] if single else asked,
        "target": target_of(line),
        "messages": asked,
        "metadata": {
            **line.item.metadata,
            "cluster": line.item.cluster,
            "item_hash": line.item_hash,
            "status": line.status,
            "item_target": line.item.target,
        },
        "output": {"model": line.model or files.run.manifest.model.uri, "choices": []},
    }
    if not is_answered(line):
        made["error"] = {
            "message": line.note or f"no answer ({line.status})",
            "traceback": "",
            "traceback_ansi": "",
        }
        return made
    answer = _answer(line)
    made["messages"] = [*asked, answer]
    made["output"] |= {
        "choices": [{"message": answer, "stop_reason": _STOPS.get(line.status, "unknown")}],
        "completion": line.response,
        **_usage(line),
    }
    made["scores"] = dict(_scores(files, task, line.id))
    return made


def _answer(line: ResponseLine) -> dict[str, Any]:
    content: Any = line.response
    if line.reasoning is not None:
        content = [
            {"type": "reasoning", "reasoning": line.reasoning},
            {"type": "text", "text": line.response},
        ]
    return {"role": "assistant", "content": content, "source": "generate"}


def _usage(line: ResponseLine) -> dict[str, Any]:
    read, wrote = line.prompt_tokens, line.completion_tokens
    usage = None
    if read is not None and wrote is not None:
        cached = compact({"input_tokens_cache_read": line.cached_tokens})
        counts = {"input_tokens": read, "output_tokens": wrote, "total_tokens": read + wrote}
        usage = {**counts, **cached}
    return compact({"usage": usage, "time": line.seconds})


def _scores(files: RunFiles, task: str, identifier: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for label in files.run.manifest.scorers.get(task, {}):
        scores = files.scores(task, label)
        if identifier in scores:
            yield label, _score(scores[identifier], list(scores.columns))


def _score(score: Score, names: list[str]) -> dict[str, Any]:
    """A scorer's word on an item: a number where it gives one, else one by name.

    Args:
        score: of the item.
        names: of all values that the scorer gave to any item of the task.
    """
    values = {name: score.values.get(name, NAN) for name in names}
    made = {
        "value": values if len(names) > 1 else next(iter(values.values()), NAN),
        "explanation": score.note,
        "reason": _REASONS.get(score.status),
        "metadata": {"status": score.status, **score.labels},
    }
    return compact(made)
