"""The command line: one small module a verb, heavy imports inside the verbs."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from empeval.__about__ import __version__
from empeval.errors import EmpevalError, StorageError, UsageError

if TYPE_CHECKING:
    import argparse

    from empeval.cli.options import Parser
    from empeval.hooks import Hooks

EPILOG = """examples:
  empeval run --model packaged:smollm2-135m-instruct --tasks {offline}
  empeval run --model hf:org/name --tasks {task},{replies} --limit 200
  empeval run --model human: --tasks {replies} --limit 200
  empeval score answers.jsonl --scorers {scorer}
  empeval show empeval-runs/NAME

exit codes: 0 done; 1 runtime failure; 2 invalid input; 130 interrupted; gate has more.
"""

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code.

    0: done. 1: runtime failure. 2: invalid input. 130: interrupted. A verb may have more.
    """
    import threading

    from empeval.cli.streams import standard_streams
    from empeval.notices import printed

    before = set(threading.enumerate())
    with standard_streams(), printed():
        code = _guarded(sys.argv[1:] if arguments is None else arguments)
    left = [t for t in threading.enumerate() if t not in before and not t.daemon]
    if left:
        from empeval.notices import tell_of_threads

        tell_of_threads(left)
    return code


def _guarded(arguments: Sequence[str]) -> int:
    from empeval.cli import failing

    json = failing.wants_json(arguments)
    try:
        try:
            return _run(arguments, failing.parser_class(json))
        finally:
            sys.stdout.flush()  # here a full disk is an error that can be told
    except EmpevalError as error:
        return failing.say_error(error, json=json)
    except KeyboardInterrupt:
        failing.say_interrupted(json=json)
        return INTERRUPTED
    except Exception as error:  # whatever is left is ours, or a plugin's
        from empeval.extras import missing_package

        missing = missing_package(error)
        if missing is not None:
            return failing.say_error(missing, json=json)
        if os.environ.get("EMPEVAL_DEBUG"):
            raise
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return failing.say_error(StorageError(_full_disk(error)), json=json)
        failing.say_defect(error, json=json)
        return 1


def _run(arguments: Sequence[str], parser_class: type[Parser]) -> int:
    from empeval.contained import contained
    from empeval.hooks import Hooks

    hooks = Hooks().load_installed()
    parser = build_parser(hooks, parser_class)
    if "_ARGCOMPLETE" in os.environ:
        from empeval.cli.completion import complete

        complete(parser)
    for verb in arguments[:1]:
        if verb not in parser.get_default("empeval_verbs"):
            _require_distribution(verb)
    options = parser.parse_args(arguments)
    options.hooks = hooks
    owner = options.empeval_owners.get(options.empeval_verb)
    if owner is None:
        return int(options.run(options) or 0)
    with contained(f"the verb '{options.empeval_verb}' of plugin '{owner}'", prints=True):
        return int(options.run(options) or 0)


def _require_distribution(verb: str) -> None:
    """Say what to install for a verb that a distribution of its own brings.

    Raises:
        MissingPackageError: it is not installed.
        UsageError: it is, but a variable leaves it out.
    """
    from empeval.extras import VERBS, require
    from empeval.installed import left_out

    if verb not in VERBS:
        return
    if reason := left_out("empeval", verb):
        raise UsageError(f"There is no verb {verb!r} now.{reason}")
    package, extra = VERBS[verb]
    require(f"'empeval {verb}'", package, extra=extra)


def build_parser(
    hooks: Hooks | None = None, parser_class: type[Parser] | None = None
) -> argparse.ArgumentParser:
    """The parser of all verbs, those of plugins too; a verb's is filled when it is first used.

    Args:
        hooks: those that are installed.
        parser_class: of it and of its verbs; by default one that ends the process where a command
            line is wrong.
    """
    import argparse

    from empeval.cli.options import Parser
    from empeval.cli.verbs import add_verbs
    from empeval.commands import Commands

    parser = (parser_class or Parser)(
        prog="empeval",
        description="Measures how emotionally intelligent a language model is.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"empeval {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", dest="empeval_verb", required=True)
    add_verbs(verbs)
    commands = Commands(verbs)
    if hooks is not None:
        hooks.register_commands(commands)
    parser.set_defaults(empeval_owners=commands.owners, empeval_verbs=frozenset(verbs.choices))
    return parser


def _full_disk(error: OSError) -> str:
    """What could not be written; run folders have an error of their own."""
    from empeval.cli.streams import forget

    what = error.filename
    if what is None:  # a stream
        forget(1)
        what = "Standard output or a temporary file"
    return (
        f"{what} cannot be written: the disk is full. Free some space; what was finished is safe."
    )
