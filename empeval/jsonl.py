"""Reads JSONL files that people bring, and says which line is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from empeval.errors import DataError
from empeval.files import open_regular

BOM = b"\xef\xbb\xbf"


def read_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number from 1, object) of a JSONL file; blank lines are passed over.

    Text that cannot be written as UTF-8 again (lone surrogates) is replaced by ``?``.

    Raises:
        DataError: the file cannot be read, or a line is not UTF-8, not JSON, cut off or no
            object; the message names file and line.
    """
    import jsonlines

    try:
        descriptor = open_regular(path, follow=True)  # a FIFO is refused, never waited for
        file = open(descriptor, "rb")  # noqa: SIM115 - closed below, after the generator ends
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}.") from error
    with file:
        number = 0
        try:
            for number, raw in enumerate(file, 1):
                line = raw.removeprefix(BOM) if number == 1 else raw
                if line.strip():
                    yield number, _object(line, jsonlines)
        except jsonlines.InvalidLineError as error:
            raise DataError(f"{path}, line {number}: {_why(error, raw)}.") from error
        except RecursionError:
            raise DataError(f"{path}, line {number}: nested too deeply.") from None
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror}.") from error


def _object(line: bytes, jsonlines: Any) -> dict[str, Any]:
    with jsonlines.Reader([line]) as reader:
        value: dict[str, Any] = reader.read(type=dict)
    made: dict[str, Any] = clean(value)
    return made


def clean(value: Any) -> Any:
    """A JSON value in whose texts ``?`` stands for what UTF-8 cannot hold (lone surrogates)."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [clean(v) for v in value]
    if isinstance(value, dict):
        return {clean(k): clean(v) for k, v in value.items()}
    return value


def _why(error: Exception, raw: bytes) -> str:
    cause = error.__cause__
    if isinstance(cause, UnicodeDecodeError):
        return f"not UTF-8 (byte {cause.start + 1} of the line); save the file as UTF-8"
    if cause is None:  # it was JSON, of another type
        return "not a JSON object; each line holds one {...}"
    if not raw.endswith(b"\n"):
        return "not valid JSON, and the last line has no line end: the file seems cut off"
    detail = getattr(cause, "msg", None)
    return f"not valid JSON ({detail})" if detail else "not valid JSON"
