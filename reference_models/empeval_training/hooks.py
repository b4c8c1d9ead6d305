"""Adds the verb ``empeval train``."""

from __future__ import annotations

from typing import Any

from empeval import hookimpl


@hookimpl
def empeval_register_commands(commands: Any) -> None:
    """Declare ``empeval train``; its actions are declared when it is used."""
    commands.add_later(
        "train",
        "train the reference models (needs the extra 'train')",
        _fill,
        description="Train the reference models: empathy scorers on EmpatheticDialogues, and the "
        "EQ pipeline (supervised fine-tuning, heads, preference optimisation).",
    )


def _fill(parser: Any) -> None:
    from empeval_training import cli

    cli.add(parser)
