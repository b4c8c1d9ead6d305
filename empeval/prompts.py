"""Prompt templates in a sandbox: Jinja over a row's columns, errors with the file's line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from empeval.errors import DataError, nearest
from empeval.yamlfiles import Document, KeyPath


class Templates:
    """The messages of a task, compiled when they are first needed.

    Attributes:
        roles: role and number of each message, in their order.

    Args:
        turns: role, path of keys and template of each.
        document: the file, for its lines.

    Raises:
        DataError: a template is not Jinja's, with the line.
    """

    def __init__(self, turns: Sequence[tuple[str, KeyPath, str]], document: Document) -> None:
        from jinja2 import StrictUndefined, TemplateSyntaxError
        from jinja2.sandbox import ImmutableSandboxedEnvironment

        # plain text for a model: nothing is escaped, and a sandbox reaches nothing but the row
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        self.roles = [(role, number) for number, (role, _, _) in enumerate(turns)]
        self._document = document
        self._keys = [keys for _, keys, _ in turns]
        self._made = []
        for _, keys, text in turns:
            try:
                self._made.append(environment.from_string(text))
            except TemplateSyntaxError as error:
                line = document.text_line(keys, error.lineno)
                raise DataError(f"{document.name}, {line}: {error.message}.") from error

    def render(self, number: int, row: Mapping[str, Any], row_number: int) -> str:
        """A message for a row; the row itself is there as ``row``, too.

        Raises:
            DataError: a column that is not there, or whatever the template does.
        """
        from jinja2 import UndefinedError

        try:
            return str(self._made[number].render({**row, "row": dict(row)}))
        except UndefinedError as error:
            said = str(error.message)
            asked = said.split("'")[1] if "'" in said else ""
            reason = f"{said}.{nearest(asked, row)}"
        except Exception as error:  # the template is a stranger's
            reason = f"{type(error).__name__}: {error}."
        raise DataError(f"{self._document.where(*self._keys[number])}: row {row_number}: {reason}")
