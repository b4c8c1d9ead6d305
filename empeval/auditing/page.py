"""Audits as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from empeval.__about__ import __version__
from empeval.auditing import plots as drawn
from empeval.auditing import words
from empeval.certificates import Certificate, one_line
from empeval.files import write_text
from empeval.report import canvas
from empeval.report.build import inline_svg


def write_page(certificates: Sequence[Certificate], out: Path) -> Path:
    """Write the page.

    Args:
        certificates: of the audited scorers, in order.
        out: the file.

    Raises:
        StorageError: it cannot be written.
    """
    write_text(out, page(certificates))
    return out


def page(certificates: Sequence[Certificate]) -> str:
    """The page as text; what scorers and files are called is escaped."""
    from jinja2 import Environment
    from markupsafe import Markup

    assets = files("empeval.auditing") / "assets"
    css = (files("empeval.report") / "assets" / "report.css").read_text(encoding="utf-8")
    css += (assets / "audit.css").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    unplotted = canvas.unplotted("the page of the audit")
    with canvas.style():
        made = [] if unplotted else list(_plots(certificates))
    return environment.from_string((assets / "audit.html.j2").read_text(encoding="utf-8")).render(
        version=__version__,
        css=Markup(css),  # noqa: S704 - files of this package
        certificates=certificates,
        w=words,
        one_line=one_line,
        plots=[
            {
                "title": title,
                "alt": alt,
                "space": canvas.space(figure),
                # drawn by matplotlib, which escapes what it writes as text
                "svg": Markup(inline_svg(canvas.svg(figure, themed=True), number)),  # noqa: S704
            }
            for number, (title, alt, figure) in enumerate(made)
        ],
        unplotted=unplotted,
    )


def _plots(certificates: Sequence[Certificate]) -> list[tuple[str, str, Any]]:
    found: list[tuple[str, str, Any]] = []
    ends = drawn.shared_ends(certificates)
    for rated, dimension in drawn.rated_things(certificates):
        title = f"{rated}: {dimension}"
        alt = f"Spearman with the ratings of {title} of each scorer and of the trivial rivals."
        found.append((title, alt, drawn.agreement_plot(certificates, rated, dimension, ends)))
    trial_ends = drawn.trial_ends(certificates)
    for certificate in certificates:
        figure = drawn.trial_plot(certificate, trial_ends)
        if figure is not None:
            title = f"What can fool {certificate.scorer}"
            found.append((title, f"{title}: mean change of each trial.", figure))
    return found
