"""YAML that people write: safe types only, errors with line numbers.

No tag makes an object, no anchor repeats one, no key comes twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from empeval.errors import DataError, nearest
from empeval.references import read_source
from empeval.renamed import arguments

T = TypeVar("T")
KeyPath = tuple[str | int, ...]
"""Keys and indices that lead to a value, from the outside in."""

DEEPEST = 40


class Document:
    """What a file holds, and in which line.

    Attributes:
        value: dicts, lists, texts, numbers, truth values, ``None``.
        name: how errors call the file.
        lines: from 1, by path of keys; empty where nobody counted them (TOML).
        blocks: the paths of texts that keep their lines (``|``) and begin a line further down.
    """

    def __init__(
        self,
        value: Any,
        name: str,
        lines: dict[KeyPath, int] | None = None,
        blocks: frozenset[KeyPath] = frozenset(),
    ) -> None:
        self.value = value
        self.name = name
        self.lines = lines or {}
        self.blocks = blocks

    def where(self, *keys: str | int) -> str:
        """``FILE, line N`` of the innermost value on the way that has a line."""
        for end in range(len(keys), -1, -1):
            if keys[:end] in self.lines:
                return f"{self.name}, line {self.lines[keys[:end]]}"
        return f"{self.name}, '{'.'.join(map(str, keys))}'" if keys else self.name

    @arguments(place="keys")
    def text_line(self, keys: KeyPath, number: int) -> str:
        """``line N`` of the file that holds a line (from 1) of a text."""
        if keys in self.blocks:
            return f"line {self.lines[keys] + number}"
        return f"line {self.lines.get(keys, 1)}"


def read_text(path: Path) -> str:
    """The text of a file that a user named.

    Raises:
        UsageError: it cannot be read.
        DataError: it is not UTF-8.
    """
    data = read_source(path).data
    return decoded(data, str(path))


def decoded(data: bytes, name: str) -> str:
    """Bytes as UTF-8.

    Raises:
        DataError: they are none; the message names the line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(f"{name}, line {line}: not UTF-8.") from error


def read_yaml(text: str, name: str) -> Document:
    """A YAML document of plain values.

    Raises:
        DataError: it is not YAML, holds a tag, an anchor or a key that comes twice, or is nested
            too deeply; the message names the line.
    """
    import yaml

    try:
        deep = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            line = event.start_mark.line + 1
            deep += isinstance(event, yaml.CollectionStartEvent)
            deep -= isinstance(event, yaml.CollectionEndEvent)
            if deep > DEEPEST:  # here, since what comes behind takes the square of the depth
                raise DataError(f"{name}, line {line}: nested more than {DEEPEST} deep.")
            if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
                raise DataError(
                    f"{name}, line {line}: anchors and aliases (&, *) are not read here; write the "
                    "value out, or put it in quotation marks."
                )
        loader = yaml.SafeLoader(text)
        try:
            node = loader.get_single_node()
            lines: dict[KeyPath, int] = {}
            blocks: set[KeyPath] = set()
            if node is None:
                return Document(None, name, {(): 1})
            _walk(node, (), lines, blocks, name)
            value = loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise DataError(f"{name}{line}: {error.problem or error}.") from error
    except yaml.YAMLError as error:
        raise DataError(f"{name} is not valid YAML: {error}.") from error
    except (RecursionError, ValueError) as error:
        raise DataError(f"{name} cannot be read as YAML: {error}.") from error
    return Document(value, name, lines, frozenset(blocks))


def _walk(
    node: Any, keys: KeyPath, lines: dict[KeyPath, int], blocks: set[KeyPath], name: str
) -> None:
    """Note the line of every value, and which texts are blocks."""
    import yaml

    line = node.start_mark.line + 1
    lines[keys] = line
    if isinstance(node, yaml.MappingNode):
        seen: dict[str, int] = {}
        for key, value in node.value:
            at = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise DataError(f"{name}, line {at}: a key must be a text.")
            if key.value in seen:
                raise DataError(
                    f"{name}, line {at}: '{key.value}' stands in line {seen[key.value]} already."
                )
            seen[key.value] = at
            _walk(value, (*keys, key.value), lines, blocks, name)
            lines[(*keys, key.value)] = at
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _walk(value, (*keys, number), lines, blocks, name)
    elif node.style == "|":
        blocks.add(keys)


def convert(document: Document, record: type[T]) -> T:
    """A document as a record.

    Raises:
        DataError: a field is missing, unknown or of another type; the message names the line.
    """
    if not isinstance(document.value, dict):
        raise DataError(
            f"{document.where()}: this must be 'name: value' lines, one for each field."
        )
    try:
        return msgspec.convert(document.value, record)
    except msgspec.ValidationError as error:
        raise DataError(_explained(document, record, str(error))) from error


def _explained(document: Document, record: type[Any], said: str) -> str:
    problem, _, path = said.partition(" - at `")
    path = path.removesuffix("`")
    keys: list[str | int] = []
    for key, index in re.findall(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]", path):
        if index == "...":
            break
        keys.append(int(index) if index else key)
    unknown = re.search(r"unknown field `([^`]*)`", problem)
    if unknown:
        at = document.where(*keys, unknown[1])
        known = _fields(record, keys)
        return f"{at}: there is no '{unknown[1]}' here.{nearest(unknown[1], known)}"
    missing = re.search(r"missing required field `([^`]*)`", problem)
    inside = f"'{keys[-1]}' " if keys else ""
    if missing:
        return f"{document.where(*keys)}: {inside}lacks '{missing[1]}'."
    hint = ""
    if re.match(r"Expected `(array|str)", problem) and re.search(
        "got `(bool|int|float|date)", problem
    ):
        hint = " Put it in quotation marks if it is a text."
    return f"{document.where(*keys)}: {inside}makes no sense: {problem}.{hint}"


def _fields(record: Any, keys: list[str | int]) -> list[str]:
    """The fields that a record has at a path of keys."""
    for key in keys:
        hints = {f.name: f.type for f in msgspec.structs.fields(record)}
        kind = hints.get(str(key))
        parts = [kind, *getattr(kind, "__args__", ())]
        record = next((p for p in parts if _is_struct(p)), None)
        if record is None:
            return []
    return [field.encode_name for field in msgspec.structs.fields(record)]


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
