"""The verbs of the command line, for a plugin that adds its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from empeval.contained import contained

if TYPE_CHECKING:
    import argparse


class Commands:
    """Takes verbs.

    Attributes:
        owners: verb -> the plugin that added it.

    Args:
        verbs: of the main parser, as ``add_subparsers`` makes them.
    """

    def __init__(self, verbs: Any) -> None:
        self.subparsers = verbs
        self.owners: dict[str, str] = {}
        self._known = set(verbs.choices)

    def add(
        self,
        name: str,
        summary: str,
        run: Callable[[argparse.Namespace], int | None] | None = None,
        *,
        description: str | None = None,
        epilog: str = "",
    ) -> argparse.ArgumentParser:
        """Add a verb.

        Args:
            name: what is typed after ``empeval``.
            summary: one line for ``empeval --help``.
            run: gets the parsed options and returns an exit code; ``None`` where each action of
                the verb has its own (``set_defaults(run=...)``).
            description: for the verb's own help; ``None`` is the summary.
            epilog: examples below it, as they stand.

        Returns:
            The verb's parser, for its options.

        Raises:
            ArgumentError: the name is taken.
        """
        import argparse

        parser: argparse.ArgumentParser = self.subparsers.add_parser(
            name,
            help=summary,
            description=description or summary,
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if run is not None:
            parser.set_defaults(run=run)
        return parser

    def add_later(
        self,
        name: str,
        summary: str,
        fill: Callable[[argparse.ArgumentParser], None],
        *,
        description: str | None = None,
    ) -> None:
        """Add a verb whose options are declared when it is used, so that the others stay fast.

        Args:
            name: what is typed after ``empeval``.
            summary: one line for ``empeval --help``.
            fill: gets the verb's parser and adds its options, ``set_defaults(run=...)`` and, if
                there are examples, ``epilog``. Import there what the verb needs.
            description: for the verb's own help; ``None`` is the summary.

        Raises:
            ArgumentError: the name is taken.
        """
        import argparse

        def contained_fill(parser: argparse.ArgumentParser) -> None:
            with contained(f"the verb '{name}' of plugin '{self.owners.get(name, 'unknown')}'"):
                fill(parser)

        self.subparsers.add_parser(
            name,
            help=summary,
            description=description or summary,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            fill=contained_fill,
        )

    def belong_to(self, plugin: str) -> None:
        """Note whose the verbs are that were added since the last call."""
        self.owners |= dict.fromkeys(set(self.subparsers.choices) - self._known, plugin)
        self._known = set(self.subparsers.choices)
