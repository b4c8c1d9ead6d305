"""One record for everything that is asked of a run, and the file that can hold it.

The command line, ``empeval.run`` and a file of ``--config`` all make a ``RunSpec``; whatever asks
and checks takes one.
"""

from __future__ import annotations

import math
import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from empeval.errors import DataError, UsageError
from empeval.interfaces import Generator, Scorer, Task
from empeval.records import Item
from empeval.yamlfiles import Document, convert, read_text, read_yaml

if TYPE_CHECKING:
    ModelName = str | Generator
    TaskName = str | Task | type[Task]
    ScorerName = str | Scorer | type[Scorer]
else:  # what a file can hold; in Python objects stand there as well, unchecked
    ModelName = TaskName = ScorerName = str

Limit = Annotated[
    int | str,
    msgspec.Meta(description="so many items of each task, or a share of them such as '10%'"),
]

_SHARE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?%")


class RunSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked of which model, and how.

    Attributes:
        model: ``scheme:target``, ``FILE.py:NAME``, or a ``Generator``.
        tasks: names, patterns such as ``story*``, file references, or tasks.
        scorers: names (``default`` stands for each task's own), patterns, file references, or
            scorers; ``None`` is ``["default"]``.
        model_args: options of the model.
        task_args: ``{"task.option": value}``, or a dict of options for each task.
        sampling: changes to the tasks' sampling (``max_tokens``, ``temperature``, ``top_p``,
            ``stop``, ``reasoning_tags``).
        system: a system message before every conversation.
        limit: ask only so many (what is counted is the task's), or a share such as ``"10%"``.
        seed: of the choice of items and of random decoding.
        out: the run folder; by default one under ``empeval-runs/`` named after the spec.
        max_cost: stop, to be gone on with, when answers and judgements have cost so many US
            dollars; no part of what identifies the run.
        max_tokens_total: the same for tokens of prompts and answers together.
        data_dir: a folder that mirrors the hub's data sets.
        score_workers: ``KIND:N``, who scores beside this process; no part of what is asked.
    """

    model: ModelName = ""
    tasks: tuple[TaskName, ...] = ()
    scorers: tuple[ScorerName, ...] | None = None
    model_args: dict[str, Any] = {}
    task_args: dict[str, Any] = {}
    sampling: dict[str, Any] = {}
    system: str | None = None
    limit: Limit | None = None
    seed: int = 0
    out: str | None = None
    max_cost: float | None = None
    max_tokens_total: int | None = None
    data_dir: str | None = None
    score_workers: str | None = None

    def changed(self, **given: Any) -> RunSpec:
        """The spec with what is not ``None`` in the place of its own; dicts are added to."""
        fields = {name: value for name, value in given.items() if value is not None}
        for name, value in fields.items():
            own = getattr(self, name)
            fields[name] = {**own, **value} if isinstance(own, dict) else value
        made: RunSpec = msgspec.structs.replace(self, **fields)
        return made


def make_spec(
    first: Any, tasks: Sequence[Any] | None, scorers: Sequence[Any] | None, **options: Any
) -> RunSpec:
    """A spec out of Python's arguments; those that are not ``None`` change a spec that comes first.

    Raises:
        UsageError: a text in the place of a list.
    """
    given = {name: value for name, value in options.items() if value is not None}
    for name in ("out", "data_dir"):
        if name in given:
            given[name] = os.fspath(given[name])
    for name in ("model_args", "task_args", "sampling"):
        if name in given:
            given[name] = dict(given[name])
    model = os.fspath(first) if isinstance(first, os.PathLike) else first
    spec = model if isinstance(model, RunSpec) else RunSpec(model=model)
    return spec.changed(
        tasks=names_of(tasks, "tasks"),
        scorers=names_of(scorers, "scorers"),
        **given,
    )


def names_of(names: Sequence[Any] | None, what: str) -> tuple[Any, ...] | None:
    """Names, file references and objects as a tuple, paths as texts.

    Raises:
        UsageError: a text in the place of a list.
    """
    if isinstance(names, str):
        raise UsageError(f"'{what}' is the text '{names}'; give a list of names: ['{names}'].")
    if names is None:
        return None
    return tuple(os.fspath(one) if isinstance(one, os.PathLike) else one for one in names)


def read_spec(path: str | os.PathLike[str]) -> RunSpec:
    """The spec in a YAML or TOML file.

    Raises:
        UsageError: the file is not there, or is neither.
        DataError: its content makes no sense; the message names the line where YAML's is.
    """
    file = Path(path)
    if file.suffix in (".yaml", ".yml"):
        document = read_yaml(read_text(file), str(file))
    elif file.suffix == ".toml":
        document = Document(_toml(file), str(file))
    else:
        raise UsageError(f"--config {file} is no .yaml or .toml file.")
    spec = convert(document, RunSpec)
    limit_of(spec.limit)
    flat: RunSpec = msgspec.structs.replace(spec, task_args=flat_arguments(spec.task_args))
    return flat


def flat_arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """``{"task": {"option": value}}`` as ``{"task.option": value}``; what is flat stays."""
    flat: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{option}": one for option, one in value.items()})
        else:
            flat[name] = value
    return flat


def limit_of(limit: Any) -> int | str | None:
    """A limit as a run folder keeps it: a number, or a share written as ``10%``.

    Raises:
        UsageError: it is neither, or out of its range.
    """
    if limit is None:
        return None
    if isinstance(limit, str):
        if limit.strip().isdecimal():
            return limit_of(int(limit))
        found = _SHARE.fullmatch(limit.strip())
        if found is None or not 0 < float(found[1]) <= 100:
            raise UsageError(
                f"--limit is {limit!r}; give a whole number of 1 or more, or a share above 0 % and "
                "up to 100 % such as 10%."
            )
        return f"{float(found[1]):g}%"
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise UsageError(f"limit is {limit!r}; it must be a whole number, or a text like '10%'.")
    if limit < 1:
        raise UsageError(f"--limit is {limit}; it must be 1 or more.")
    return limit


def limited(task: Task, items: Sequence[Item], limit: int | str | None, seed: int) -> list[Item]:
    """The items that a limited run asks, as the task chooses them.

    A share is of what the task counts: its clusters where as many as there are clusters is all,
    else its items; it is rounded up.
    """
    if limit is None:
        return list(items)
    if isinstance(limit, int):
        return list(task.select(items, limit, seed))
    clusters = len({item.cluster for item in items})
    whole = len(task.select(items, clusters, seed)) == len(items)
    share = float(limit.removesuffix("%")) / 100
    count = math.ceil(share * (clusters if whole else len(items)) - 1e-9)
    return list(task.select(items, max(1, count), seed))


def _toml(path: Path) -> Any:
    try:
        return tomllib.loads(read_text(path))
    except RecursionError as error:
        raise DataError(f"{path} is not valid TOML: nested too deeply.") from error
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{path} is not valid TOML: {error}.") from error
