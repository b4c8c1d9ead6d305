"""How the command line says what went wrong: a sentence for a person, an object for a program."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, NoReturn

from empeval.cli.options import Parser
from empeval.errors import GENERAL, EmpevalError, UsageError
from empeval.notices import show

DEFECT, INTERRUPTION, NOTHING_USABLE = "defect", "interrupted", "nothing-usable"
OWN_CODES = {
    DEFECT: "Something was raised that nobody foresaw: a defect of empeval or of a plugin.",
    INTERRUPTION: "Ctrl-C; exit code 130.",
    NOTHING_USABLE: "A run is finished, but no answer of a task can be used or a scorer scored none"
    " of them; `run`, `failures`.",
}
"""Codes of what is no ``EmpevalError``: the command line alone says them -> when it does."""


class RaisingParser(Parser):
    """A parser for which a wrong command line is an error like any other."""

    def error(self, message: str) -> NoReturn:
        """Raise it.

        Raises:
            UsageError: always.
        """
        said = self.explained(message)
        end = "" if said.endswith("?") else "."
        raise UsageError(f"{self.prog}: {said}{end}", hint=f"'{self.prog} --help' has the options.")


def wants_json(words: Sequence[str]) -> bool:
    """Whether a command line asks for JSON, also one that cannot be parsed."""
    for index, word in enumerate(words):
        if word == "--":
            return False
        name, given, value = word.partition("=")
        if len(name) > len("--f") and "--format".startswith(name):
            value = value if given else next(iter(words[index + 1 : index + 2]), "")
            if value == "json":
                return True
    return False


def parser_class(json: bool) -> type[Parser]:
    """Of a command line's parser."""
    return RaisingParser if json else Parser


def say_error(error: EmpevalError, *, json: bool) -> int:
    """Say what went wrong and return the exit code.

    Args:
        error: whose code ends the line, where it says more than the exit code does and the message
            does not end in a command that is to be copied.
        json: an object on one line, in the place of the sentence.
    """
    if os.environ.get("EMPEVAL_DEBUG"):
        raise error
    if json:
        say_object(error.to_dict())
    else:
        coded = error.code not in GENERAL and str(error).endswith(".")
        show(f"error: {error} [{error.code}]" if coded else f"error: {error}")
    return error.exit_code


def say_object(told: dict[str, Any]) -> None:
    """Print an error as one line of JSON on standard error.

    Args:
        told: ``code``, ``message``, ``hint`` and what else there is to say.
    """
    import sys

    import msgspec

    from empeval.escaping import json_text
    from empeval.redacting import redact_values

    text = msgspec.json.encode({"error": redact_values(told)}).decode()
    print(json_text(text), file=sys.stderr, flush=True)


def say_interrupted(*, json: bool) -> None:
    """Say that Ctrl-C was heard, and that nothing is lost."""
    said = "interrupted: every finished answer is saved; the same command goes on from there"
    if json:
        hint = "the same command goes on from there"
        say_object({"code": INTERRUPTION, "message": said, "hint": hint})
        return
    show("")
    show(said)


def say_defect(error: Exception, *, json: bool) -> None:
    """Say what was raised that nobody meant to tell a person."""
    what = f"{type(error).__name__}: {error}"
    hint = (
        "This is a defect of empeval or of a plugin. EMPEVAL_DEBUG=1 shows where; what was "
        "finished is saved."
    )
    if json:
        say_object({"code": DEFECT, "message": what, "hint": hint})
        return
    show(f"error: {what}")
    show(hint)
