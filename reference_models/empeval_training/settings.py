"""Records of hyper-parameters from TOML files and ``--set``, with errors that name the field."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from empeval import UsageError

T = TypeVar("T", bound=msgspec.Struct)

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class Limits:
    """What the fields of a record may be.

    Attributes:
        ranges: the least and the most of a field.
        above_zero: fields that must be above 0.
        fixed: fields that ``--set`` cannot change.
    """

    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    above_zero: Sequence[str] = ()
    fixed: Sequence[str] = ()


def read_tables(
    config: str, names: Sequence[str], folder: Path = CONFIGS
) -> dict[str, dict[str, Any]]:
    """The tables of a configuration.

    Args:
        config: a TOML file, or the name of a configuration that comes with the package.
        names: the tables that it may have.
        folder: of the configurations that come with the package.

    Raises:
        UsageError: no such file, no TOML, or an entry that is not among the names.
    """
    path = Path(config)
    if not path.suffix:
        path = folder / f"{config}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.toml")))
        raise UsageError(
            f"There is no configuration {config}. Give a TOML file, or one of: {known}."
        )
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML file: {error}.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    for name, table in tables.items():
        if name not in names or not isinstance(table, dict):
            kind = "table" if isinstance(table, dict) else "entry outside a table,"
            raise UsageError(f"{path}: unknown {kind} '{name}'; it takes [{'], ['.join(names)}].")
    return tables


def build(kind: type[T], fields: Mapping[str, Any], source: str, limits: Limits) -> T:
    """A record of fields.

    Args:
        kind: the record's type.
        fields: name -> value or text.
        source: what the errors call the place that the fields are from.
        limits: what they may be.

    Raises:
        UsageError: a field that does not exist, or a value that makes no sense.
    """
    try:
        record = msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise UsageError(f"{source}: {_explained(error, fields)}.") from error
    for name, (low, high) in limits.ranges.items():
        value = getattr(record, name)
        if value is not None and not (low <= value <= high and math.isfinite(value)):
            span = f"{low} or more" if high == math.inf else f"from {low} to {high}"
            raise UsageError(f"{source}: {name} is {value}; it must be {span}.")
    for name in limits.above_zero:
        value = getattr(record, name)
        if not (value > 0 and math.isfinite(value)):
            raise UsageError(f"{source}: {name} is {value}; it must be above 0.")
    return record


def change(record: T, changes: Mapping[str, str], option: str, limits: Limits) -> T:
    """The record with fields changed by text.

    Args:
        record: what to start from.
        changes: field -> text; ``none`` stands for no value where a field's default is none.
        option: what the errors call the place that the changes are from.
        limits: what the fields may be.

    Raises:
        UsageError: a field that does not exist, or a value that makes no sense.
    """
    fields = msgspec.to_builtins(record)
    free = {f.name for f in msgspec.structs.fields(type(record)) if f.default is None}
    for name, text in changes.items():
        if name not in fields or name in limits.fixed:
            known = ", ".join(f for f in fields if f not in limits.fixed)
            raise UsageError(f"{option}: a recipe has no field '{name}'; it has {known}.")
        fields[name] = None if text.lower() == "none" and name in free else text
    return build(type(record), fields, option, limits)


def _explained(error: msgspec.ValidationError, fields: Mapping[str, Any]) -> str:
    """The error with the field and what it was given, where it is about one field."""
    reason, _, place = str(error).partition(" - at `$.")
    name = place.rstrip("`")
    return f"{name} is {fields[name]!r} ({reason})" if name in fields else str(error)
