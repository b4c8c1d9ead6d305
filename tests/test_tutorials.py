"""The tutorials are done step by step, as a reader would, in an empty folder."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from support.command import python
from support.hub_server import ROOT

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
FILE = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(
    r"^ {4}(?P<command>(?:empeval|python|pip) [^\n]+)$"
    r"|<!-- exit (?P<code>\d+) -->"
    r"|^```text\n(?P<shown>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
ELSEWHERE = re.compile(r"^pip |^python -m build|RATINGS|plugins check echo$")
"""What needs a package index, or a scorer that was installed from one."""


def steps(text: str) -> list[tuple[str, int, list[str]]]:
    """Each command with its exit code and what it shows."""
    found: list[list] = []
    for match in STEP.finditer(text):
        if match["command"]:
            found.append([match["command"].partition("  #")[0].strip(), 0, []])
        elif match["code"]:
            found[-1][1] = int(match["code"])
        else:
            found[-1][2] += [line.strip() for line in match["shown"].splitlines() if line.strip()]
    return [(command, code, shown) for command, code, shown in found]


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_does_what_it_says(cli, tmp_path, path):
    text = path.read_text(encoding="utf-8")
    for name, body in FILE.findall(text):
        (tmp_path / name).write_text(body, encoding="utf-8")
    done = 0
    for command, code, shown in steps(text):
        program, *words = shlex.split(command)
        if ELSEWHERE.search(command):
            continue
        if program == "python":
            script = Path(words[0]).read_text(encoding="utf-8")
            outcome = python(script, *words[1:], folder=tmp_path)
        else:
            outcome = cli(*words)
        assert outcome.code == code, (command, outcome.out, outcome.err)
        printed = " ".join(f"{outcome.out} {outcome.err}".split())
        for line in shown:
            assert " ".join(line.split()) in printed, command
        done += 1
    assert done >= 4


def test_every_tutorial_can_be_done_in_part_at_least():
    assert len(TUTORIALS) == 3
    for path in TUTORIALS:
        text = path.read_text(encoding="utf-8")
        assert FILE.search(text), path
        assert len(steps(text)) > 6, path


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_what_a_step_needs_beside_empeval_is_installed_before_it(path):
    there = set()
    for command, _, _ in steps(path.read_text(encoding="utf-8")):
        if command.startswith("pip install "):
            there |= set(shlex.split(command)[2:])
        if "plugins check" in command:
            assert "pytest" in there, command
        if "-m build" in command:
            assert "build" in there, command
