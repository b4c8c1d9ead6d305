"""Adds the verb ``empeval eq-variants`` and the variants' sheets to ``empeval export``."""

from __future__ import annotations

from typing import Any

from empeval import hookimpl


@hookimpl
def empeval_register_commands(commands: Any) -> None:
    """Declare ``empeval eq-variants``; its options are declared when it is used."""
    summary = "the EQ score of a model in its four variants"
    commands.add_later("eq-variants", summary, _fill)


def _fill(parser: Any) -> None:
    from empeval_heads import cli

    cli.add(parser)


@hookimpl
def empeval_export_sheets(run: Any) -> list[Any]:
    """The four variants of the EQ score, where a run has EQ scores."""
    from empeval_heads.variants import variant_sheets

    return variant_sheets(run)
