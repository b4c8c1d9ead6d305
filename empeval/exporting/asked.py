"""What a run asked and of whom, in the shapes that other programs have for it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from empeval.errors import RunFolderError
from empeval.notices import warn
from empeval.records import Message, ResponseLine
from empeval.runs import UNANSWERED, ById, Lines, Manifest, Run, RunFiles

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+\Z")


def opened(run: Run) -> RunFiles:
    """The files of a run whose lines have been counted by the caller."""
    return RunFiles(run, partial=True)


def hub_id(text: str | None) -> str | None:
    """``OWNER/NAME`` where a text is one."""
    return text if text and _HUB_ID.match(text) else None


def model_id(manifest: Manifest) -> str | None:
    """The model as the hub calls it, where it came from there."""
    scheme, _, target = manifest.model.uri.partition(":")
    return hub_id(target) if scheme in ("hf", "openvino", "vllm") else None


def date_of(text: str | None) -> datetime:
    """A date of a manifest, which may be anybody's text.

    Raises:
        RunFolderError: it is none.
    """
    try:
        made = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise RunFolderError(f"run.json: {text!r} is no date (ISO 8601).") from error
    return made if made.tzinfo else made.replace(tzinfo=UTC)


def messages_of(run: Run, line: ResponseLine) -> tuple[Message, ...]:
    """The conversation as it was sent: the user's own system message, then the item's."""
    system = run.manifest.model.system
    own = (Message("system", system),) if system else ()
    return (*own, *line.item.messages)


def plain_messages(messages: tuple[Message, ...]) -> list[dict[str, str]]:
    """Messages as ``{"role", "content"}``."""
    return [{"role": message.role, "content": message.content} for message in messages]


def target_of(line: ResponseLine) -> str:
    """What an answer is held against, as text; ``""`` where there is nothing."""
    if line.item.reference is not None:
        return line.item.reference
    target = line.item.target
    return json.dumps(target, ensure_ascii=False, sort_keys=True) if target else ""


def is_answered(line: ResponseLine) -> bool:
    """Whether there is an answer, be it an empty one."""
    return line.status not in UNANSWERED


def lines_of(files: RunFiles, task: str) -> Lines[ResponseLine]:
    """Response lines of a task in the order of their ids, numbers counted as numbers."""
    stored = files.answers(task).stored
    by_id = ById(stored, ResponseLine)
    return by_id.of(i for row in stored.index.natural if (i := stored.index.ids[row]) in by_id)


def warn_of_limit(manifest: Manifest) -> str:
    """Say that a run asked a part of its items; the words for a note, or ``""``."""
    if manifest.limit is None:
        return ""
    warn(f"the run asked a part of the items only (limit {manifest.limit}); its metrics say so")
    return f"a part of the items (limit {manifest.limit}, seed {manifest.seed})"


def compact(values: Mapping[str, Any]) -> dict[str, Any]:
    """A dict without what is ``None``."""
    return {name: value for name, value in values.items() if value is not None}
