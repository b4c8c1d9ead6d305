"""Gathers the pages of the docs site (a hook of mkdocs; see mkdocs.yml).

Every document keeps the place that it has in the repository, so a link between two of them is the
same on the site. The page of the command line is written from the parser.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = (
    "*.md",
    "docs/**/*.md",
    "docs/*.css",
    "examples/**/*.md",
    "examples/github-action/*.toml",
    "examples/github-action/*.yml",
    "plugins/*/README.md",
    "plugins/*/bundled/README.md",
    "reference_models/*.md",
    "tasks/empeval_tasks/*/README.md",
)
COMMANDS = "docs/reference/command-line.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace what lies in ``docs`` by the documents of the whole repository."""
    theme = [file for file in files if not Path(file.abs_src_path or "").is_relative_to(ROOT)]
    gathered = Files(theme)
    for pattern in DOCUMENTS:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            gathered.append(File.generated(config, name, abs_src_path=str(path)))
    gathered.append(File.generated(config, COMMANDS, content=command_line()))
    return gathered


def command_line() -> str:
    """What ``--help`` prints of every verb, as a page."""
    import os

    os.environ["COLUMNS"] = "96"
    from empeval.cli import build_parser
    from empeval.hooks import Hooks

    parser = build_parser(Hooks().load_installed())
    parts = ["# Command line", _block(parser)]
    for words, below in _verbs(parser, ()):
        parts += [f"{'#' * (len(words) + 1)} empeval {' '.join(words)}", _block(below)]
    return "\n\n".join(parts) + "\n"


def _verbs(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> Any:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield (*words, name), below
                yield from _verbs(below, (*words, name))


def _block(parser: argparse.ArgumentParser) -> str:
    return f"```text\n{parser.format_help().rstrip()}\n```"
