"""The core runs without the packages of any extra, and a missing one is named with its line."""

from __future__ import annotations

import json
import re
import sys
import tomllib

import pytest
from support.command import python
from support.hub_server import ROOT

from empeval import UsageError
from empeval.contained import ContainedError, contained
from empeval.extras import EXTRAS, MissingPackageError, is_installed, missing_package, require

BLOCKED = {"sentencepiece", "google", *(name for names in EXTRAS.values() for name in names)}
BLOCKED -= {"empeval_training"}  # it refuses by itself; without it: test_distributions.py

WITHOUT = """
import contextlib, io, json, sys

class Without:
    '''A finder that has never heard of some packages.'''

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in BLOCKED:
            return None
        return self.finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self.finder, name)

BLOCKED = set(json.loads(sys.argv[1]))
assert not BLOCKED & set(sys.modules)
sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from empeval.cli import main

def say(command):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = main(command)
        except SystemExit as end:
            code = end.code
    return code, err.getvalue()
"""

IMPORTS = """
import importlib, pkgutil, empeval
from empeval import registry
for module in pkgutil.walk_packages(empeval.__path__, "empeval."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for kind in registry.KINDS:
    for component in registry.components(kind):
        registry.load(component)
print(json.dumps(sorted(BLOCKED & set(sys.modules))))
"""

VERBS = """
print(json.dumps([say(command) for command in json.loads(sys.argv[2])]))
"""


def without_extras(statement, folder, *arguments):
    """What a statement prints as JSON in a process that finds no package of any extra."""
    outcome = python(WITHOUT + statement, json.dumps(sorted(BLOCKED)), *arguments, folder=folder)
    assert outcome.code == 0, outcome.err
    return json.loads(outcome.out)


def said(folder, *commands):
    """Exit code and standard error of each command, without the packages of any extra."""
    return without_extras(VERBS, folder, json.dumps(commands))


def test_every_module_of_the_core_and_every_component_is_imported_without_extras(tmp_path):
    assert without_extras(IMPORTS, tmp_path) == []


def test_runs_are_made_scored_compared_gated_and_written_without_extras(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"id": "mini-01#2", "response": "Oh no, I am so sorry."}\n')
    (tmp_path / "warm.py").write_text(
        "import empeval\n@empeval.scorer(higher_is_better=True)\ndef thanks(sample):\n"
        "    return float(len(sample.text) % 7)\n",
        encoding="utf-8",
    )
    (tmp_path / "gate.toml").write_text(
        '[[headline]]\nmetric = "thanks.thanks"\nmargin = 0.1\n', encoding="utf-8"
    )
    for code, err in said(
        tmp_path,
        ["--help"],
        ["list", "scorers"],
        ["show", "mvc"],
        ["run", "--model", "human:", "--tasks", "ed-mini", "--scorers", "surface,warm.py:thanks",
         "--out", "a"],
        ["run", "--model", "replay:a.jsonl", "--tasks", "ed-mini", "--scorers", "surface",
         "--out", "b"],
        ["score", "a", "--scorers", "surface"],
        ["compare", "a", "a", "--resamples", "100"],
        ["report", "a", "b", "-o", "report.html", "--resamples", "100"],
        ["audit", "warm.py:thanks", "--trials", "20", "--no-cost", "--out", "audits"],
        # not in the second in which a was begun: the same answers of one second are one run
        ["run", "--model", "human:", "--tasks", "ed-mini", "--scorers", "surface,warm.py:thanks",
         "--out", "c"],
        ["gate", "c", "--baseline", "a", "--policy", "gate.toml"],
        ["export", "a", "--out", "sheets"],
    ):  # fmt: skip
        assert code == 0, err
    assert (tmp_path / "sheets" / "summary.csv").is_file()
    for name in ("report.html", "audits/audit.html"):
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert "Drawing plots needs matplotlib, which is not installed" in page
        assert "<svg" not in page


NEEDS = [
    ("run --model human: --tasks ed-mini --scorers mvc", "The scorer 'empeval/mvc'",
     "torch", "scorers"),
    ("run --model human: --tasks ed-mini --scorers similarity",
     "The scorer 'empeval/similarity'", "torch", "scorers"),
    ("run --model human: --tasks ed-mini --scorers eq", "The scorer 'empeval/eq'",
     "torch", "scorers"),
    ("run --model hf:org/name --tasks ed-mini --scorers surface", "The model 'org/name'",
     "torch", "hf"),
    ("run --model packaged:smollm2-135m-instruct --tasks ed-mini --scorers surface",
     "The model 'smollm2-135m-instruct'", "torch", "hf"),
    ("run --model vllm:org/name --tasks ed-mini --scorers surface", "The model 'org/name'",
     "torch", "vllm"),
    ("run --model openvino:org/name --tasks ed-mini --scorers surface", "The model 'org/name'",
     "torch", "openvino"),
    ("run --model ray:human: --tasks ed-mini --scorers surface", "'ray:'", "ray", "ray"),
    ("run --model human: --tasks ed-mini --scorers surface --score-workers ray:2",
     "--score-workers ray", "ray", "ray"),
    ("run --model openai:a --model-args base_url=http://127.0.0.1:9/v1 --tasks ed-mini "
     "--scorers surface --out c", "'openai:'", "httpx2", "openai"),
    ("run --model human: --tasks ed-mini --scorers mine.py:thanks", "mine.py", "torch",
     "scorers"),
    ("score rows.parquet --scorers surface", "rows.parquet: reading Parquet", "pyarrow",
     "parquet"),
    ("train baseline --data d --out o", "Training", "torch", "train"),
]  # fmt: skip


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """Exit code and standard error of each command of ``NEEDS``; one process asks them all."""
    folder = tmp_path_factory.mktemp("refused")
    (folder / "mine.py").write_text(
        "import torch, empeval\n@empeval.scorer\ndef thanks(text): return 1.0\n", encoding="utf-8"
    )
    (folder / "rows.parquet").write_bytes(b"PAR1 and more")
    commands = [command for command, *_ in NEEDS]
    return dict(zip(commands, said(folder, *map(str.split, commands)), strict=True))


@pytest.mark.parametrize(("command", "who", "package", "extra"), NEEDS)
def test_what_is_missing_is_named_with_the_line_that_installs_it(
    refusals, command, who, package, extra
):
    code, err = refusals[command]
    assert code == 2, err
    assert who in err
    assert f"needs {package}, which is not installed: pip install 'empeval[{extra}]'" in err


def test_every_package_of_the_table_is_one_of_its_extra():
    named = {
        "empeval_training": "empeval-training",
        "inspect_ai": "inspect-ai",
        "mlflow": "mlflow-skinny",
        "openvino_genai": "openvino-genai",
        "sklearn": "scikit-learn",
    }
    inside = {"safetensors": "transformers", "tokenizers": "transformers"}  # they come with it
    project, training = (
        tomllib.loads((ROOT / folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in (".", "reference_models")
    )
    extras = project["optional-dependencies"]
    extras = extras | {"train": extras["train"] + training["dependencies"]}

    def name(requirement):
        return re.match(r"[\w-]+(\[[\w,]+\])?", requirement)[0]

    listed = {extra: {name(line) for line in lines} for extra, lines in extras.items()}
    for extra, packages in EXTRAS.items():
        for package in packages:
            package = inside.get(package, package)
            assert named.get(package, package) in listed[extra], (extra, package)
    core = {name(line) for line in project["dependencies"]}
    ours = {"protobuf", "sentencepiece"}  # transformers imports them, empeval does not
    known = {named.get(p, p) for packages in EXTRAS.values() for p in packages} | ours
    own = set(EXTRAS) | {"all", "dev", "docs"}
    assert set(listed) == own
    for extra in EXTRAS:
        assert {n for n in listed[extra] if "[" not in n} <= known - core, extra


def test_a_module_that_is_not_there_is_no_missing_package():
    with pytest.raises(ContainedError, match=r"No module named 'numpy\.nowhere'"), contained("it"):
        import numpy.nowhere  # noqa: F401
    assert missing_package(ImportError("torch is old", name="torch")) is None
    assert missing_package(ModuleNotFoundError("no", name="nowhere_at_all")) is None


def test_a_missing_package_is_named_by_whoever_needs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert not is_installed("openpyxl")
    sentence = "needs openpyxl, which is not installed: pip install 'empeval[export]'"
    with pytest.raises(MissingPackageError, match=re.escape(f"Writing xlsx {sentence}")):
        require("Writing xlsx", "json", "openpyxl")
    found = refused_import("the plugin 'a/b'")
    assert str(found) == f"The plugin 'a/b' {sentence}"
    assert isinstance(found, UsageError)
    require("This", "json")


def refused_import(owner):
    with pytest.raises(MissingPackageError) as caught, contained(owner):
        import openpyxl  # noqa: F401
    return caught.value


def test_a_package_of_no_extra_is_named_alone():
    with pytest.raises(UsageError, match=r"^A needs nowhere_at_all, which is not installed\.$"):
        require("A", "nowhere_at_all")
