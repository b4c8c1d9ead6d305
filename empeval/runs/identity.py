"""What makes two run specs, and two sets of items, the same."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from empeval.records import Item
from empeval.redacting import is_secret, without_user
from empeval.runs.manifest import Manifest
from empeval.scripts import without_replies

if TYPE_CHECKING:
    from empeval.runs.folder import Run

_MARKS = " marks of reasoning"


def canonical(value: Any) -> bytes:
    """JSON bytes of a record with sorted keys: the same value gives the same bytes."""
    return msgspec.json.encode(value, order="sorted")


def item_hash(item: Item) -> str:
    """16 hex digits that identify what is asked and what it is compared with.

    A model's own replies in a dialogue are no part of what it is asked.
    """
    messages = without_replies(item) if item.turn else item.messages
    parts = canonical([messages, item.reference, item.target, *_blanks(item)])
    return hashlib.sha256(parts).hexdigest()[:16]


def data_fingerprint(items: Iterable[Item]) -> str:
    """``sha256:<hex>`` over id, messages, reference, target, cluster and script of every
    item.
    """
    digest = hashlib.sha256()
    for item in items:
        parts: list[Any] = [item.id, item.messages, item.reference, item.target, item.cluster]
        parts += [item.script] if item.script else []
        digest.update(canonical([*parts, *_blanks(item)]) + b"\n")
    return f"sha256:{digest.hexdigest()}"


def prompts_hash(items: Iterable[Item]) -> str:
    """``sha256:<hex>`` over id, messages and script of the items in a run."""
    digest = hashlib.sha256()
    for item in items:
        said = [[turn.content for turn in item.script]] if item.script else []
        digest.update(canonical([item.id, item.messages, *said, *_blanks(item)]) + b"\n")
    return f"sha256:{digest.hexdigest()}"


def _blanks(item: Item) -> list[Any]:
    """What is asked beside the messages; nothing where there is nothing, as there used to be."""
    return [item.blanks] if item.blanks else []


def differences(old: Manifest, new: Manifest) -> list[str]:
    """What two manifests ask differently: one ``name: old -> new`` each; scorers do not count."""
    before, after = _spec(old), _spec(new)
    keys = sorted(set(before) | set(after))
    if old.status == "complete" and _noted_no_marks(old):
        # an older version looked for other marks; what it finished stays what it is
        keys = [key for key in keys if not key.endswith(_MARKS)]
    return [
        f"{key}: {_short(before.get(key))} -> {_short(after.get(key))}"
        for key in keys
        if before.get(key) != after.get(key)
    ]


def only_marks_differ(old: Manifest, new: Manifest) -> bool:
    """Whether a run is of an older version and asks the same but for the marks of thoughts."""
    finished = msgspec.structs.replace(old, status="complete")
    return _noted_no_marks(old) and not differences(finished, new)


def _noted_no_marks(manifest: Manifest) -> bool:
    return not any(task.reasoning for task in manifest.tasks.values())


def spec_hash(manifest: Manifest) -> str:
    """8 hex digits that identify the run spec of a manifest."""
    return hashlib.sha256(canonical(_spec(manifest))).hexdigest()[:8]


def is_copy(one: Run, other: Run) -> bool:
    """Whether two folders are one run: the same folder, or a copy, whoever scored it since.

    Raises:
        RunFolderError: a line of a folder is damaged.
    """
    if os.path.realpath(one.path) == os.path.realpath(other.path):
        return True
    ours, theirs = one.manifest, other.manifest
    return (
        (ours.created, ours.model, ours.tasks) == (theirs.created, theirs.model, theirs.tasks)
        and all(one.lines(task) == other.lines(task) for task in ours.tasks)
    )  # fmt: skip


def _spec(manifest: Manifest) -> dict[str, Any]:
    model = manifest.model
    flat: dict[str, Any] = {
        "model fingerprint": model.fingerprint,
        "limit": manifest.limit,
        "seed": manifest.seed,
        "tasks": sorted(manifest.tasks),
    }
    flat.update({f"model argument {k}": v for k, v in _open(model.arguments).items()})
    flat.update({f"model {k}": msgspec.to_builtins(v) for k, v in model.details.items()})
    if model.system is not None:
        flat["system message"] = model.system
    for name, task in manifest.tasks.items():
        flat[f"{name} version"] = task.version
        flat[f"{name} data"] = task.data_fingerprint
        flat[f"{name} prompts"] = task.prompts_hash
        for key, value in msgspec.to_builtins(task.sampling).items():
            flat[f"{name} {key}"] = value
        flat[f"{name}{_MARKS}"] = task.reasoning
        flat.update({f"{name} argument {k}": v for k, v in _open(task.arguments).items()})
    spec: dict[str, Any] = msgspec.json.decode(canonical(flat))  # as a file gives it back
    return spec


def _open(arguments: dict[str, str]) -> dict[str, str]:
    """The arguments that belong to the run spec: who may ask, and by which key, does not."""
    return {k: without_user(v) for k, v in arguments.items() if not is_secret(k)}


def _short(value: Any) -> str:
    text = "(none)" if value is None else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
