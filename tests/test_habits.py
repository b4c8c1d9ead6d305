"""The project's own files: workflow, hooks, forms and changelog say what is so."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path

import pytest
import yaml
from support.hub_server import ROOT

import empeval

FILES = sorted(
    path
    for pattern in (
        ".github/**/*.yml",
        ".pre-commit-config.yaml",
        "mkdocs.yml",
        "examples/**/*.yml",
    )
    for path in ROOT.glob(pattern)
)
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))


def load(name: str | Path):
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def recipe(target: str) -> str:
    """The lines that ``make`` runs for a target."""
    found = re.search(rf"^{target}:.*\n((?:\t.*\n?)*)", MAKEFILE, re.MULTILINE)
    assert found, target
    return found[1]


def made(text: str) -> set[str]:
    """The targets of the commands ``make ...`` that stand in a text as commands."""
    lines = re.findall(r"(?:^ {4}|`)make ([a-z ]+)", text, re.MULTILINE)
    return {word for line in lines for word in line.split()}


def workflow():
    return load(".github/workflows/test.yml")


def test_every_yaml_file_of_the_project_is_read_and_is_a_mapping():
    assert len(FILES) >= 7
    for path in FILES:
        assert isinstance(load(path), dict), path


def test_the_workflow_calls_targets_of_the_makefile_and_nothing_else():
    runs = [step["run"] for job in workflow()["jobs"].values() for step in job["steps"]
            if "run" in step]  # fmt: skip
    assert runs == [f"make {target} PYTHON=python" for target in ("test", "docs", "dist")]
    assert {"test", "docs", "dist"} <= TARGETS
    assert re.search(r"^PYTHON \?=", MAKEFILE, re.MULTILINE)


def test_the_workflow_tests_each_supported_python_and_may_only_read():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    supported = [c.rpartition(" ")[2] for c in project["classifiers"] if ":: Python :: 3." in c]
    assert workflow()["jobs"]["test"]["strategy"]["matrix"]["python"] == supported
    assert project["requires-python"] == f">={supported[0]}"
    assert workflow()["permissions"] == {"contents": "read"}
    assert all("permissions" not in job for job in workflow()["jobs"].values())


def test_hooks_run_the_tools_of_make_lint_and_fetch_nothing():
    config = load(".pre-commit-config.yaml")
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    linted = set(re.findall(r"\$\(BIN\)/([a-z-]+)", recipe("lint")))
    hooks = config["repos"][0]["hooks"]
    assert {hook["language"] for hook in hooks} == {"system"}
    tools = [hook["entry"].split()[0] for hook in hooks]
    assert {Path(tool).name for tool in tools} == linted
    assert {str(Path(tool).parent) for tool in tools} == {".venv/bin"}


def test_forms_ask_for_what_they_need_under_names_of_their_own():
    forms = [path for path in FILES if path.parent.name == "ISSUE_TEMPLATE"]
    for path in forms:
        if path.name == "config.yml":
            continue
        form = load(path)
        assert form["name"]
        assert form["description"]
        ids = [field["id"] for field in form["body"] if field["type"] != "markdown"]
        assert len(ids) == len(set(ids)), path
        assert any(field.get("validations", {}).get("required") for field in form["body"]), path
    assert len({load(path).get("name") for path in forms}) == len(forms)


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", ".github/PULL_REQUEST_TEMPLATE.md"])
def test_targets_that_people_are_told_of_exist(name):
    told = made((ROOT / name).read_text(encoding="utf-8"))
    assert "test" in told
    assert told <= TARGETS


def test_the_changelog_begins_with_this_version_and_goes_back_in_time():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    releases = re.findall(r"^## (\S+) - (\S+)$", text, re.MULTILINE)
    assert releases[0][0] == empeval.__version__
    assert len(releases) == len(re.findall(r"^## ", text, re.MULTILINE))
    versions = [tuple(map(int, version.split("."))) for version, _ in releases]
    days = [date.fromisoformat(day) for _, day in releases]
    assert versions == sorted(versions, reverse=True)
    assert days == sorted(days, reverse=True)
