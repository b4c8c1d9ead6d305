"""What is installed, as the distributions' metadata states it: nothing is imported for it.

This module is all that a list of names needs, so it imports no library.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Literal, NamedTuple

from empeval.installed import entry_points

Kind = Literal["tasks", "generators", "scorers"]
KINDS: tuple[Kind, ...] = ("tasks", "generators", "scorers")


class Component(NamedTuple):
    """One registered task, generator or scorer, as its distribution's metadata states it."""

    kind: str
    name: str
    value: str
    distribution: str
    version: str
    local: bool = False
    """Not installed: from a file or an object; ``version`` is then the hash of its source."""

    @property
    def origin(self) -> str:
        """Distribution and version, as a run folder keeps them."""
        return f"{self.distribution} {self.version}".strip()

    def identity(self, version: str) -> str:
        """A card's version, with the source's hash where nobody releases versions."""
        return f"{version}+{self.version}" if self.local and self.version else version

    @property
    def full_name(self) -> str:
        """``distribution/name``: unambiguous even when two distributions share a name."""
        return f"{self.distribution}/{self.name}"


@lru_cache(maxsize=8)
def components(kind: Kind) -> tuple[Component, ...]:
    """All components of a kind, by name, without importing any."""
    points, _ = entry_points(f"empeval.{kind}")
    found = {
        (entry.name, entry.value, distribution): Component(
            kind=kind,
            name=entry.name,
            value=entry.value,
            distribution=distribution,
            version=version,
        )
        for distribution, version, entry in points
    }
    return tuple(found[key] for key in sorted(found))
