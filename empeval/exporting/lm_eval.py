"""lm-evaluation-harness: ``results_DATE.json`` and ``samples_TASK_DATE.jsonl``.

The layout is that of its ``--output_path`` with ``--log_samples``: a folder named after the model.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from empeval.exporting.asked import (
    compact,
    date_of,
    is_answered,
    lines_of,
    messages_of,
    model_id,
    opened,
    plain_messages,
    target_of,
)
from empeval.exporting.metrics import KnownMetric, metrics_of, values_by_item
from empeval.files import replacing, write_bytes
from empeval.formats import ExportFormat
from empeval.records import ResponseLine
from empeval.runs import Run, RunFiles, slug

FILTER = "none"
_NO_NAME = re.compile(r"[\"<>:/|\\?*\[\]]+")


def write(run: Run, out: Path, options: Mapping[str, str]) -> list[Path]:
    """Write the samples of each task, then the results."""
    files = opened(run)
    manifest = run.manifest
    shown = model_id(manifest) or manifest.model.uri
    name = slug(_NO_NAME.sub("__", shown))
    folder = out / name
    date = date_of(manifest.created).strftime("%Y-%m-%dT%H-%M-%S.%f")
    written, hashes = [], {}
    for task in manifest.tasks:
        path = folder / f"samples_{slug(task)}_{date}.jsonl"
        hashes[task] = _write_samples(files, task, path)
        written.append(path)
    results = {
        **_results(files),
        "task_hashes": hashes,
        "model_source": manifest.model.uri.partition(":")[0],
        "model_name": shown,
        "model_name_sanitized": name,
    }
    path = folder / f"results_{date}.json"
    write_bytes(path, (json.dumps(results, indent=2, ensure_ascii=False) + "\n").encode())
    return [*written, path]


FORMAT = ExportFormat("lm-eval", "results and samples as lm-evaluation-harness writes them", write)


def metric_name(known: KnownMetric) -> str:
    """A metric's name as a metric of lm-eval's, which has no comma in it."""
    return known.name.replace(",", ";")


def _results(files: RunFiles) -> dict[str, Any]:
    manifest = files.run.manifest
    scheme, _, target = manifest.model.uri.partition(":")
    metrics = {task: metrics_of(files, task) for task in manifest.tasks}
    counts = {
        name: {"original": entry.n_items, "effective": len(files.answers(name))}
        for name, entry in manifest.tasks.items()
    }
    return {
        "results": {task: _values(task, found, files) for task, found in metrics.items()},
        "group_subtasks": {task: [] for task in manifest.tasks},
        "configs": {task: _config(files, task, found) for task, found in metrics.items()},
        "versions": {name: entry.version for name, entry in manifest.tasks.items()},
        "n-shot": dict.fromkeys(manifest.tasks, 0),
        "higher_is_better": {
            task: {
                metric_name(f): f.metric.higher_is_better
                for f in found
                if f.metric.higher_is_better is not None
            }
            for task, found in metrics.items()
        },
        "n-samples": counts,
        "config": {
            "model": scheme,
            "model_args": {"pretrained": target, **manifest.model.arguments},
            "limit": manifest.limit,
            "random_seed": manifest.seed,
            "gen_kwargs": None,
            "batch_size": None,
            "use_cache": None,
            "bootstrap_iters": 0,
        },
        "git_hash": None,
        "date": date_of(manifest.created).timestamp(),
        "system_instruction": manifest.model.system,
        "total_evaluation_time_seconds": str(sum(manifest.timing.values())),
        "empeval": {
            "version": manifest.environment.get("empeval"),
            "model_fingerprint": manifest.model.fingerprint,
            "figures": {  # readers of earlier exports look for this name
                task: {metric_name(f): f.facts() for f in found} for task, found in metrics.items()
            },
        },
    }


def _values(task: str, metrics: list[KnownMetric], files: RunFiles) -> dict[str, Any]:
    values: dict[str, Any] = {"name": task, "alias": task, "sample_len": len(files.answers(task))}
    for known in metrics:
        name, error = metric_name(known), known.standard_error
        values[f"{name},{FILTER}"] = known.value
        values[f"{name}_stderr,{FILTER}"] = "N/A" if error is None else error
    return values


def _config(files: RunFiles, task: str, metrics: list[KnownMetric]) -> dict[str, Any]:
    entry = files.run.manifest.tasks[task]
    return compact(
        {
            "task": task,
            "dataset_path": entry.dataset,
            "output_type": "generate_until",
            "num_fewshot": 0,
            "repeats": 1,
            "generation_kwargs": _generation(files, task),
            "metric_list": [
                compact(
                    {
                        "metric": metric_name(known),
                        "aggregation": "mean" if known.estimate else "empeval",
                        "higher_is_better": known.metric.higher_is_better,
                    }
                )
                for known in metrics
            ],
            "metadata": {"version": entry.version},
        }
    )


def _generation(files: RunFiles, task: str) -> dict[str, Any]:
    sampling = files.run.manifest.tasks[task].sampling
    return {
        "until": list(sampling.stop),
        "max_gen_toks": sampling.max_tokens,
        "temperature": sampling.temperature,
        "do_sample": sampling.temperature > 0,
    }


def _write_samples(files: RunFiles, task: str, path: Path) -> str:
    """Write a line an item; returns the hash over all of them."""
    lines = lines_of(files, task)
    means = [known for known in metrics_of(files, task) if known.estimate is not None]
    columns = {metric_name(known): values_by_item(files, known, lines.ids) for known in means}
    generation = _generation(files, task)
    whole = hashlib.sha256()
    with replacing(path) as part, open(part, "w", encoding="utf-8", newline="\n") as file:
        for index, line in enumerate(lines):
            if line.status == "missing":
                continue  # nobody answered; an answer that failed has a line
            values = compact({name: column[index] for name, column in columns.items()})
            sample = _sample(files.run, index, line, generation, values)
            hashes = (sample[f"{name}_hash"] for name in ("doc", "prompt", "target"))
            whole.update("".join(hashes).encode())
            file.write(json.dumps(sample, ensure_ascii=False) + "\n")
    return whole.hexdigest()


def _sample(
    run: Run, index: int, line: ResponseLine, generation: dict[str, Any], values: dict[str, Any]
) -> dict[str, Any]:
    asked = plain_messages(messages_of(run, line))
    single = len(asked) == 1 and asked[0]["role"] == "user"
    prompt = asked[0]["content"] if single else json.dumps(asked, ensure_ascii=False)
    document = {
        "id": line.id,
        "cluster": line.item.cluster,
        "messages": plain_messages(line.item.messages),
        "reference": line.item.reference,
        "target": line.item.target,
        "metadata": line.item.metadata,
    }
    target = target_of(line)
    text = line.response if is_answered(line) else None  # an answer that failed is no empty one
    return {
        "doc_id": index,
        "doc": document,
        "target": target,
        "arguments": {"gen_args_0": {"arg_0": prompt, "arg_1": generation}},
        "resps": [[text]],
        "filtered_resps": [text],
        "filter": FILTER,
        "metrics": list(values),
        "doc_hash": _hash(json.dumps(document, ensure_ascii=False, sort_keys=True)),
        "prompt_hash": _hash(prompt),
        "target_hash": _hash(target),
        **values,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
