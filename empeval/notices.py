"""What a person is told on standard error while something runs."""

from __future__ import annotations

import sys

from empeval.escaping import plain
from empeval.redacting import redact


def warn(text: object) -> None:
    """Print ``warning: TEXT`` on one line, without secrets and without what steers a terminal."""
    tell(f"warning: {text}")


def tell(text: object) -> None:
    """Print one line."""
    print(plain(redact(str(text))), file=sys.stderr, flush=True)
