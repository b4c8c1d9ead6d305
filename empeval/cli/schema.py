"""``empeval schema``: JSON Schema of the files that empeval reads and writes."""

from __future__ import annotations

import argparse

EPILOG = """examples:
  empeval schema run
  empeval schema responses > responses.schema.json
  empeval schema task > task.schema.json

run: run.json; responses and scores: a line of those files; metrics: metrics.json; comparison:
what compare --format json prints; policy: gate.toml; gate: what gate --json writes;
audit: audit.json; task: a task in a YAML file; config: what run --config reads.

An editor completes and checks a YAML file whose first line is
  # yaml-language-server: $schema=task.schema.json
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    from empeval.schemas import NAMES

    parser.add_argument(
        "file", choices=NAMES, help="which file: of a run folder, or one that people write"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print a file's JSON Schema."""
    from empeval.cli.text import print_json
    from empeval.schemas import schema

    print_json(schema(options.file))
    return 0
