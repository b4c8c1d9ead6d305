"""A Markdown document in sections, of which some may be kept from an earlier one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from empeval import UsageError
from empeval.files import write_text

NOTHING = "Not given."
KEPT = "Kept from the document of {version}; what it was measured on was not given anew."


def read_sections(path: Path) -> dict[str, str]:
    """The sections of a document: title -> body, of its headings of the second level.

    Raises:
        UsageError: it cannot be read, or has none.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}.") from error
    parts = f"\n{text}".split("\n## ")[1:]
    if not parts:
        raise UsageError(f"{path} has no sections ('## ...'); give an earlier EQ_RESULTS.md.")
    sections = {}
    for part in parts:
        title, _, body = part.partition("\n")
        sections[title.strip()] = body.strip()
    return sections


def write_sections(
    path: Path,
    opening: str,
    sections: Mapping[str, str | None],
    *,
    earlier: Mapping[str, str] | None = None,
    version: str = "an earlier version",
) -> Path:
    """Write a document.

    Args:
        path: the file.
        opening: what stands above the first section.
        sections: title -> body; one that is ``None`` is taken from the earlier document and says
            so, or says that nothing was given.
        earlier: sections of the earlier document.
        version: what that document is of, such as a commit.
    """
    parts = [opening.strip()]
    for title, body in sections.items():
        text = _kept(title, earlier or {}, version) if body is None else body.strip()
        parts.append(f"## {title}\n\n{text}")
    write_text(path, "\n\n".join(parts) + "\n")
    return path


def _kept(title: str, earlier: Mapping[str, str], version: str) -> str:
    body = earlier.get(title, NOTHING)
    if body == NOTHING:
        return NOTHING
    if body.startswith(KEPT.partition("{")[0]):  # kept once before: that version was measured
        return body
    return f"{KEPT.format(version=version)}\n\n{body}"
