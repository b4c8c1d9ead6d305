"""Runs the contract of any component with pytest, in a process of its own.

The tests themselves are in ``empeval.testing``; here they are only asked for by name, since a
process that hangs, exits or floods standard output must not be this one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import msgspec


class Check(msgspec.Struct, frozen=True):
    """One check of a contract.

    Attributes:
        kind, name: of the component. check: what was asked, as a sentence.
        passed: whether it holds. reason: why not.
    """

    kind: str
    name: str
    check: str
    passed: bool
    reason: str = ""


def check(spec: str, kind: str, *, timeout: float = 600) -> list[Check]:
    """Run the contract of a component.

    Args:
        spec: its name or file reference, perhaps with a target.
        kind: its kind.
        timeout: seconds after which it is ended.

    Returns:
        What was checked, in the order of the contract; the import comes first.

    Raises:
        EmpevalError: the checks themselves could not be run.
    """
    one = kind.removesuffix("s")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "test_contract.py").write_text(
            "from empeval.testing.checking import contract_for\n"
            f"TestImport, TestContract = contract_for({kind!r}, {spec!r})\n",
            "utf-8",
        )
        (folder / "pytest.ini").write_text("[pytest]\n")
        report = folder / "report.xml"
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c",
            str(folder / "pytest.ini"), "--rootdir", temporary, "--junitxml", str(report),
            str(folder / "test_contract.py"),
        ]  # fmt: skip
        try:
            done = subprocess.run(
                command, capture_output=True, check=False, env=environment(), timeout=timeout
            )
        except subprocess.TimeoutExpired:
            return [Check(one, spec, "it comes to an end", False, f"not within {timeout:g} s")]
        if not report.is_file():
            said = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
            last = said[-1] if said else f"pytest ended with code {done.returncode}"
            return [Check(one, spec, "it lets pytest finish", False, last[:300])]
        cases = list(ElementTree.parse(report).iter("testcase"))  # noqa: S314 - written by pytest
    merged: dict[str, Check] = {}
    for case in cases:
        sentence = case.get("name", "").removeprefix("test_").replace("_", " ")
        problem = next(
            (case.find(k) for k in ("failure", "error") if case.find(k) is not None), None
        )
        reason = "" if problem is None else _reason(problem.get("message", ""), problem.text or "")
        known = merged.get(sentence)
        if known is None or known.passed:
            merged[sentence] = Check(one, spec, sentence, problem is None, reason)
    return list(merged.values())


def environment() -> dict[str, str]:
    """What this process can import, the other can."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(entry for entry in sys.path if entry)}


def _reason(message: str, text: str) -> str:
    """The first sentence of what went wrong, and the line of the component where that is known."""
    said = message.strip().splitlines() or text.strip().splitlines() or ["it failed"]
    first = said[0].removeprefix("failed on teardown with ").strip('"')
    for kind in ("AssertionError: ", "empeval.contained.ContainedError: "):
        first = first.replace(kind, "")
    return first[:300]
