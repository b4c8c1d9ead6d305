"""What a tracker is told of a run."""

from __future__ import annotations

import hashlib
import re

from empeval import Run

_NO_NAME = re.compile(r"[^\w\-. /]")


def identity(run: Run) -> str:
    """16 hex digits that tell a run from every other; it keeps them when it goes on."""
    manifest = run.manifest
    facts = (manifest.created, manifest.model.uri, manifest.model.fingerprint, *manifest.tasks)
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]


def parameters(run: Run) -> dict[str, str]:
    """What was asked of what."""
    manifest = run.manifest
    found = {
        "model": manifest.model.uri,
        "model_fingerprint": manifest.model.fingerprint,
        "tasks": ",".join(manifest.tasks),
        "limit": "" if manifest.limit is None else str(manifest.limit),
        "seed": str(manifest.seed),
        "system": manifest.model.system or "",
        "empeval": str(manifest.environment.get("empeval", "")),
    }
    found |= {f"model.{name}": value for name, value in manifest.model.arguments.items()}
    for name, task in manifest.tasks.items():
        found[f"{name}.version"] = task.version
        found[f"{name}.items"] = str(task.n_items)
        found[f"{name}.data"] = task.data_fingerprint
    return {clean(name): value for name, value in found.items() if value}


def metric_values(run: Run) -> dict[str, float]:
    """Every metric that has a value, its interval's ends and its counts."""
    found: dict[str, float] = {}
    for metric in run.metrics():
        if metric.value is None:
            continue
        name = clean(f"{metric.task}/{metric.scorer}.{metric.metric}")
        found[name] = metric.value
        if metric.ci_low is not None and metric.ci_high is not None:
            found |= {f"{name}.ci_low": metric.ci_low, f"{name}.ci_high": metric.ci_high}
        found |= {f"{name}.n": float(metric.n), f"{name}.n_failed": float(metric.n_failed)}
    return found


def clean(name: str) -> str:
    """A name that trackers take: letters, digits, ``_-. /``."""
    return _NO_NAME.sub("_", name)
