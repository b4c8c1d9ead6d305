"""Writes a plugin to begin with: a distribution that installs and passes its contract."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from empeval import registry
from empeval.__about__ import __version__
from empeval.errors import StorageError, UsageError
from empeval.files import write_text
from empeval.roles import EXAMPLES, example, playing

PluginKind = Literal["scorer", "task", "generator"]
KINDS: tuple[PluginKind, ...] = ("scorer", "task", "generator")

ASSETS = Path(__file__).parent / "assets"
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")


def write_plugin(name: str, kind: PluginKind, out: Path | None = None) -> list[Path]:
    """Write a distribution with one component, its card, its tests and a README.

    Args:
        name: of the component, ``small-letters-and-dashes``; the distribution is ``empeval-NAME``.
        kind: of the component.
        out: the folder to write; by default ``empeval-NAME`` here.

    Returns:
        The files.

    Raises:
        UsageError: the name is none, is taken, or the folder holds something.
        StorageError: it cannot be written.
    """
    name = name.removeprefix("empeval-")
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"'{name}' is no name of a {kind}; write it in small letters, digits and dashes, "
            "such as warm-tone."
        )
    taken = [c for c in registry.components(f"{kind}s") if c.name == name]
    if taken:
        raise UsageError(
            f"There is a {kind} '{name}' already ({taken[0].distribution}); choose another name."
        )
    folder = out if out is not None else Path(f"empeval-{name}")
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"{folder} is there already; name another folder with --out.")
    except OSError as error:
        raise StorageError(f"{folder} cannot be read: {error.strerror}.") from error
    written = []
    for path, text in _files(name, kind).items():
        write_text(folder / path, text)
        written.append(folder / path)
    return written


def _files(name: str, kind: PluginKind) -> dict[str, str]:
    """Path below the distribution's folder -> content."""
    from jinja2 import Environment, StrictUndefined

    package = "empeval_" + name.replace("-", "_")
    words = {
        "name": name,
        "kind": kind,
        "distribution": f"empeval-{name}",
        "package": package,
        "class_name": "".join(map(str.capitalize, name.split("-"))) + kind.capitalize(),
        "example_task": next(reversed(playing("offline")), EXAMPLES["task"]),
        "example_scorer": example("scorer"),
        "since": ".".join(__version__.split(".")[:2]),
    }
    environment = Environment(  # noqa: S701 - Python and Markdown; a name is letters and dashes
        undefined=StrictUndefined, keep_trailing_newline=True
    )

    def made(asset: str) -> str:
        return environment.from_string((ASSETS / asset).read_text("utf-8")).render(words)

    files = {
        "pyproject.toml": made("pyproject.toml.j2"),
        "README.md": made("readme.md.j2"),
        f"{package}/__init__.py": f'"""A {kind} for empeval."""\n',
        f"{package}/{kind}.py": made(f"{kind}.py.j2"),
        f"tests/test_{package.removeprefix('empeval_')}.py": made(f"test_{kind}.py.j2"),
    }
    if kind == "task":
        files[f"{package}/items.jsonl"] = (ASSETS / "items.jsonl").read_text("utf-8")
    return files
