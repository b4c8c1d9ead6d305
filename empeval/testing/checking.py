# ruff: noqa: S101 - assertions are what a test is made of
"""The contract of a component that is named as on the command line; see ``empeval.contracts``."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

from empeval import registry
from empeval.asked import AskedScorer, resolve_generator
from empeval.contracts import environment
from empeval.errors import EmpevalError
from empeval.references import parse_reference, split_target

SLOW = 2.0
"""Seconds that an import may take."""
HEAVY = ("torch", "transformers", "datasets", "tensorflow", "pandas", "sklearn")
"""What should not be imported before it is needed."""


class ImportFacts(msgspec.Struct, frozen=True):
    """What importing a component did."""

    seconds: float
    heavy: list[str]
    folder_stayed: bool
    threads: list[str]


def contract_for(kind: registry.Kind, spec: str) -> tuple[type[Any], type[Any]]:
    """The test classes of a component: of its import, and of its contract."""
    import pytest

    from empeval.hooks import Hooks
    from empeval.testing import GeneratorContract, ScorerContract, TaskContract

    class TestImport:
        def test_importing_it_is_quick_and_quiet(self) -> None:
            facts, printed = import_facts(kind, spec)
            done = {
                f"takes {facts.seconds:.1f} s": facts.seconds > SLOW,
                f"imports {', '.join(facts.heavy)} (do that where it is needed)": facts.heavy,
                f"prints {printed[:60]!r}": printed,
                "changes the working directory": not facts.folder_stayed,
                f"leaves threads behind ({', '.join(facts.threads)})": facts.threads,
            }
            problems = [what for what, wrong in done.items() if wrong]
            assert not problems, f"importing it {'; '.join(problems)}"

    class OfScorer(ScorerContract):
        @pytest.fixture
        def scorer(self) -> Any:
            return AskedScorer(spec).scorer

    class OfTask(TaskContract):
        @pytest.fixture
        def task(self) -> Any:
            return registry.build(registry.resolve("tasks", spec)[1], {}, label=f"task '{spec}'")

    class OfGenerator(GeneratorContract):
        @pytest.fixture
        def generator(self) -> Any:
            uri = spec if ":" in spec or parse_reference(spec) else f"{spec}:"
            return resolve_generator(uri, {}, Hooks())

    made = {"scorers": OfScorer, "tasks": OfTask, "generators": OfGenerator}
    return TestImport, made[kind]


def import_facts(kind: registry.Kind, spec: str) -> tuple[ImportFacts, str]:
    """What importing a component does in a new process, and what that prints.

    Raises:
        EmpevalError: it cannot be imported there.
    """
    code = (
        "import sys; from empeval.testing.checking import write_import_facts; "
        "write_import_facts(*sys.argv[1:])"
    )
    with tempfile.TemporaryDirectory() as temporary:
        path = Path(temporary) / "facts.json"
        done = subprocess.run(
            [sys.executable, "-c", code, kind, spec, str(path)],
            capture_output=True, check=False, env=environment(),
        )  # fmt: skip
        if not path.is_file():
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines() or ["no word"]
            raise EmpevalError(lines[-1][:300])
        return (
            msgspec.json.decode(path.read_bytes(), type=ImportFacts),
            done.stdout.decode("utf-8", "replace"),
        )


def write_import_facts(kind: registry.Kind, spec: str, path: str) -> None:
    """Import a component and write what that did; the end of a process that is watched."""
    import threading
    import time

    folder, before = os.getcwd(), set(sys.modules)
    known = set(threading.enumerate())
    started = time.perf_counter()
    _import(kind, spec)
    seconds = time.perf_counter() - started
    new = {name.partition(".")[0] for name in set(sys.modules) - before}
    facts = ImportFacts(
        seconds=seconds,
        heavy=sorted(set(HEAVY) & new),
        folder_stayed=os.getcwd() == folder,
        threads=sorted(t.name for t in threading.enumerate() if t not in known and not t.daemon),
    )
    Path(path).write_bytes(msgspec.json.encode(facts))
    sys.stdout.flush()
    os._exit(0)  # a thread that was left behind would keep it alive


def _import(kind: registry.Kind, spec: str) -> None:
    """As Python does it: neither prints nor changes of the folder are held back."""
    import importlib
    import runpy

    name = split_target(spec)[0]
    reference = parse_reference(name)
    if reference is None:
        importlib.import_module(registry.find(kind, name).value.partition(":")[0])
    elif reference.python:
        runpy.run_path(str(reference.path), run_name="checked")
