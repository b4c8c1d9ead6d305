"""The docs site: every document is on it, and it is built without a warning."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import yaml
from support.hub_server import ROOT

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
WRITTEN = "docs/reference/command-line.md"
"""The page that docs/pages.py writes."""


def pages(nav) -> list[str]:
    """The documents that a navigation names."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in pages(part)]


def test_every_document_is_in_the_navigation_once_and_lies_where_that_says():
    named = pages(CONFIG["nav"])
    assert len(named) == len(set(named))
    assert [name for name in named if name != WRITTEN and not (ROOT / name).is_file()] == []
    documents = {p.relative_to(ROOT).as_posix() for p in (ROOT / "docs").rglob("*.md")}
    assert documents - set(named) == set()


def test_the_site_is_strict_about_links_and_fetches_no_fonts():
    assert CONFIG["strict"] is True
    assert set(CONFIG["validation"]["links"].values()) == {"warn"}
    assert CONFIG["theme"]["font"] is False


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    for package in ("mkdocs", "material", "mkdocstrings"):
        pytest.importorskip(package, reason="the extra 'docs' is not installed")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--site-dir", str(folder)]
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # the theme's own banner; as in the Makefile
    done = subprocess.run(command, cwd=ROOT, env=quiet, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_every_page_is_built_and_the_reference_has_what_the_code_says(site):
    for name in pages(CONFIG["nav"]):
        built = name.removesuffix(".md").replace("README", "index") + ".html"
        assert (site / built).is_file(), name
    reference = {name: (site / "docs" / "reference" / f"{name}.html").read_text(encoding="utf-8")
                 for name in ("python", "interfaces", "hooks", "command-line")}  # fmt: skip
    assert 'id="empeval.api.run"' in reference["python"]
    assert 'id="empeval.interfaces.Scorer.score"' in reference["interfaces"]
    assert 'id="empeval.hooks.empeval_run_finished"' in reference["hooks"]
    assert "bootstrap resamples of clusters" in re.sub(r"\s+", " ", reference["command-line"])
