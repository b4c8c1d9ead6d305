"""Adds the verb ``empeval train``."""

from __future__ import annotations

from typing import Any

from empeval import hookimpl


@hookimpl
def empeval_register_commands(commands: Any) -> None:
    """Declare ``empeval train``; what is heavy is imported when it runs."""
    from empeval_training import cli

    cli.add(commands)
