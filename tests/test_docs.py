"""The documents say what is so: links lead somewhere, commands are commands."""

import ast
import re
import shlex
from pathlib import Path

import pytest

from empeval import EmpevalError, UsageError
from empeval.cli import INTERRUPTED, build_parser
from empeval.gating.verdict import EXIT_CODES
from empeval.hooks import Hooks

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted(
    path
    for folder in ("", "docs", "tasks", "plugins", "examples", "benchmarks", "reference_models")
    for path in (ROOT / folder).glob("**/*.md" if folder else "*.md")
)
COMMAND = re.compile(r"^(?: {4}|`)(empeval [^`\n]+)", re.MULTILINE)


def commands() -> list[str]:
    """Every command line of empeval that stands in a document."""
    texts = (path.read_text(encoding="utf-8") for path in DOCUMENTS)
    lines = {line.partition("  #")[0].strip() for text in texts for line in COMMAND.findall(text)}
    return sorted(line for line in lines if not re.search(r"\.\.\.|VERB|\|", line))


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_inside_the_project_lead_to_files(path: Path) -> None:
    for link in re.findall(r"\]\(([^)#]+)\)", path.read_text(encoding="utf-8")):
        if "://" not in link:
            assert (path.parent / link).exists(), f"{path.name} links to {link}"


def test_links_of_the_site_lead_to_what_the_site_has() -> None:
    """The site is built strictly; without mkdocs nobody would notice until it is."""
    source = ast.parse((ROOT / "docs" / "pages.py").read_text(encoding="utf-8"))
    (patterns,) = (
        ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "DOCUMENTS"
    )
    pages = {path for pattern in patterns for path in ROOT.glob(pattern)}
    pages.add(ROOT / "docs" / "reference" / "command-line.md")  # written when it is built
    for page in sorted(path for path in pages if path.suffix == ".md" and path.exists()):
        for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
            if "://" not in link and not link.startswith("mailto:"):
                assert (page.parent / link).resolve() in pages, f"{page.name} links to {link}"


@pytest.mark.parametrize("command", commands())
def test_every_documented_command_is_understood(command: str) -> None:
    options = build_parser(Hooks().load_installed()).parse_args(shlex.split(command)[1:])
    assert callable(options.run)


def test_the_documents_hold_commands() -> None:
    assert len(commands()) > 10


def test_exit_codes_in_the_documents_are_those_of_the_code() -> None:
    text = (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8")
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert told == {0, EmpevalError.exit_code, UsageError.exit_code, INTERRUPTED,
                    *EXIT_CODES.values()}  # fmt: skip


def test_a_term_stands_once_in_the_glossary() -> None:
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = re.findall(r"\*\*([^*]+)\*\*", text)
    assert len(terms) > 40
    assert sorted(terms) == sorted(set(terms))
