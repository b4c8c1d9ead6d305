"""Options that several verbs share, and how their text becomes values."""

from __future__ import annotations

import argparse
import itertools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

from empeval.errors import UsageError

Verbs = Any
"""argparse's subparsers object (its type is private)."""
Fill = Callable[[argparse.ArgumentParser], None]
"""Declares the options of a parser."""

FORMATS = ("table", "md", "json", "csv", "latex")


def add_verb(verbs: Verbs, name: str, summary: str) -> argparse.ArgumentParser:
    """The parser of a verb or action; the summary stands in the help above it."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=summary,
        description=summary,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return parser


class Parser(argparse.ArgumentParser):
    """A parser that may be filled when it is first used, and whose examples name what is installed.

    There is a parser for every verb, and a command line uses one of them.

    Args:
        fill: declares the options; called with the parser when somebody first looks at it or
            parses with it. ``None``: whoever made it does so.
        named: as of ``argparse.ArgumentParser``.
    """

    def __init__(self, *, fill: Fill | None = None, **named: Any) -> None:
        if fill is None:
            super().__init__(**named)
        else:
            self._later = (fill, named)

    def __getattr__(self, name: str) -> Any:
        later = self.__dict__.pop("_later", None)
        if later is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        fill, named = later
        super().__init__(**named)
        fill(self)
        return getattr(self, name)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse; what is unknown is said here, with the usage of the verb that it was typed after.

        Raises:
            SystemExit: by ``error``.
        """
        self._words = list(sys.argv[1:] if args is None else args)
        found, left = super().parse_known_args(args, namespace)
        if left:
            self.error(f"unrecognized arguments: {' '.join(left)}")
        return found, left

    def error(self, message: str) -> NoReturn:
        """Say what is wrong with a command line and end the process."""
        super().error(self.explained(message))

    def explained(self, message: str) -> str:
        """What argparse says, with what was meant where a name is mistyped."""
        if message.startswith("the following arguments are required: "):
            for name, close in self._mistyped():
                return f"{message}; there is no {name}, {close}"
        if message.startswith("unrecognized arguments: "):
            for _, close in self._mistyped():
                return f"{message}; {close}"
        return with_close_names(message)

    def _mistyped(self) -> Iterator[tuple[str, str]]:
        """Options of the command line that are none, and the one that each looks like."""
        import difflib

        known = [name for name in self._option_string_actions if name.startswith("--")]
        for word in itertools.takewhile("--".__ne__, self._words):
            name = word.partition("=")[0]
            if name.startswith("--") and not any(one.startswith(name) for one in known):
                plain = [one[2:] for one in known]
                if close := difflib.get_close_matches(name[2:], plain, n=1, cutoff=0.65):
                    yield name, f"did you mean '--{close[0]}'?"

    def format_help(self) -> str:
        """The help text; see ``roles.with_examples``."""
        from empeval.roles import with_examples

        told, self.epilog = self.epilog, with_examples(self.epilog or "")
        try:
            return super().format_help()
        finally:
            self.epilog = told


def with_close_names(message: str) -> str:
    """What argparse says, with what was meant where one of the choices looks alike."""
    found = re.search(r"invalid choice: '([^']+)' \(choose from (.+)\)$", message)
    if found is None:
        return message
    from empeval.errors import close_to

    close = close_to(found[1], [name.strip(" '") for name in found[2].split(",")])[:3]
    return f"{message}; did you mean {' or '.join(map(repr, close))}?" if close else message


def add_format(parser: argparse.ArgumentParser, forms: Sequence[str] = FORMATS) -> None:
    """``--format``, one of ``forms``."""
    alone = "; csv and latex: one table, the rest on stderr" if "csv" in forms else ""
    parser.add_argument(
        "--format", choices=forms, default="table", help=f"how metrics are printed{alone}"
    )


def add_resamples(parser: argparse.ArgumentParser) -> None:
    """``--resamples``: of the bootstrap of a comparison."""
    parser.add_argument(
        "--resamples",
        type=positive,
        default=10_000,
        metavar="N",
        help="bootstrap resamples of clusters (default 10000)",
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """``--map`` and ``--pick``: how a file of answers is read that does not say it itself."""
    parser.add_argument(
        "--map",
        metavar="id=A,response=B.C",
        help="which field of a saved file is which (also task, prompt, context, messages, "
        "reference, emotion, cluster, model, reasoning, rows; id=A+1 adds, task= leaves unread)",
    )
    parser.add_argument(
        "--pick", metavar="NAME", help="of several models or runs in a saved file, this one"
    )


def add_reasoning_tags(parser: argparse.ArgumentParser) -> None:
    """``--reasoning-tags``, which may be repeated."""
    parser.add_argument(
        "--reasoning-tags",
        action="append",
        metavar="TAG",
        help="what else marks a thought, which is not scored: <name>, [NAME] or OPEN...CLOSE; "
        "may be repeated (<think> and its kin are known)",
    )


def add_model_args(parser: argparse.ArgumentParser) -> None:
    """``--model-args``, which may be repeated."""
    parser.add_argument(
        "--model-args",
        action="append",
        metavar="K=V,K=V",
        help='options of the model; K="a, b" holds a comma, {"K": ...} is JSON; may be repeated',
    )


def add_score_workers(parser: argparse.ArgumentParser) -> None:
    """``--score-workers``."""
    parser.add_argument(
        "--score-workers",
        metavar="KIND:N",
        help="score in N other processes: local:N on this machine, or a kind that a plugin brings",
    )


def message(text: str | None) -> str | None:
    """A text, or ``@`` and the file that holds it; ``@@`` begins a text with ``@``.

    Raises:
        UsageError: the file cannot be read, or nothing is said.
    """
    if text is None:
        return None
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        try:
            with open(text[1:], encoding="utf-8") as file:
                text = file.read().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no UTF-8 text"
            raise UsageError(f"--system: {text[1:]} cannot be read: {reason}.") from error
    if not text.strip():
        raise UsageError("--system is empty; give the message, or @FILE.")
    return text


def names(text: str) -> list[str]:
    """A comma-separated list; blank parts are left out."""
    return [part.strip() for part in text.split(",") if part.strip()]


def positive(text: str) -> int:
    """A whole number of 1 or more."""
    return _from(1, text)


def not_negative(text: str) -> int:
    """A whole number of 0 or more."""
    return _from(0, text)


def _from(least: int, text: str) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
    return value


def stop_string(text: str) -> str:
    r"""A stop string in which ``\n``, ``\t`` and ``\\`` stand for what they name."""
    if not text:
        raise argparse.ArgumentTypeError("it is empty; give the text that ends an answer")
    for written, meant in (("\\\\", "\0"), ("\\n", "\n"), ("\\t", "\t"), ("\0", "\\")):
        text = text.replace(written, meant)
    return text
