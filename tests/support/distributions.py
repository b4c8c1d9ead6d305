"""Installed distributions out of nothing: modules and the metadata that pip would write."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def make_distribution(
    folder: Path,
    name: str,
    *,
    version: str = "1.0",
    points: Mapping[str, Mapping[str, str]],
    modules: Mapping[str, str] | None = None,
) -> Path:
    """Write a distribution that is installed once ``folder`` is on the path.

    Args:
        folder: where to.
        name, version: of the distribution.
        points: entry-point group -> name -> ``module:Class``.
        modules: module name -> its source.
    """
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = [
        line
        for group, entries in points.items()
        for line in (f"[{group}]", *(f"{key} = {value}" for key, value in entries.items()), "")
    ]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module, source in (modules or {}).items():
        (folder / f"{module}.py").write_text(source)
    return folder
