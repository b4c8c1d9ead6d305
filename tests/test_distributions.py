"""Two distributions: what each brings, and what is said where the second is not installed."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest
from support.command import python
from support.hub_server import ROOT

import empeval

FOLDERS = {"empeval": ROOT, "empeval-training": ROOT / "reference_models"}

ALONE = """
import json, sys

class Without:
    '''A finder that has never heard of empeval-training.'''

    def __init__(self, finder):
        self.finder = finder

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "empeval_training":
            return None
        return self.finder.find_spec(name, path, target)

    def find_distributions(self, context):
        find = getattr(self.finder, "find_distributions", lambda context: [])
        return (d for d in find(context) if d.name != "empeval-training")

sys.meta_path[:] = [Without(finder) for finder in sys.meta_path]
from empeval.cli import main
sys.exit(main(json.loads(sys.argv[1])))
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory) -> dict[str, zipfile.ZipFile]:
    """The wheels of both distributions, built from this tree."""
    built = {}
    for name, source in FOLDERS.items():
        folder = tmp_path_factory.mktemp(name)
        build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        done = subprocess.run(build, cwd=source, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        (path,) = folder.glob("*.whl")
        built[name] = zipfile.ZipFile(path)
    yield built
    for wheel in built.values():
        wheel.close()


def inside(wheel: zipfile.ZipFile, name: str) -> str:
    (member,) = [n for n in wheel.namelist() if n.endswith(f".dist-info/{name}")]
    return wheel.read(member).decode()


def packages(wheel: zipfile.ZipFile) -> set[str]:
    return {n.partition("/")[0] for n in wheel.namelist() if ".dist-info/" not in n}


def entry_points(wheel: zipfile.ZipFile) -> dict[str, dict[str, str]]:
    parser = ConfigParser(delimiters=("=",))
    parser.optionxform = str
    parser.read_string(inside(wheel, "entry_points.txt"))
    return {group: dict(parser[group]) for group in parser.sections()}


def test_the_wheel_of_empeval_carries_no_training_code(wheels):
    assert packages(wheels["empeval"]) == {
        "empeval", "empeval_empathy", "empeval_heads", "empeval_judge", "empeval_ray",
        "empeval_tasks", "empeval_text", "empeval_trackers",
    }  # fmt: skip
    assert "train" not in entry_points(wheels["empeval"])["empeval"]


def test_the_wheel_of_training_carries_itself_and_adds_its_verb(wheels):
    wheel = wheels["empeval-training"]
    assert packages(wheel) == {"empeval_training"}
    assert entry_points(wheel) == {"empeval": {"train": "empeval_training.hooks"}}
    for name in ("labels.safetensors", "configs/minilm.toml", "eq/configs", "teacher/configs"):
        assert any(n.startswith(f"empeval_training/{name}") for n in wheel.namelist()), name


@pytest.mark.parametrize("name", FOLDERS)
def test_a_wheel_holds_its_licence_and_every_module_of_its_packages(wheels, name):
    wheel = wheels[name]
    assert inside(wheel, "licenses/LICENSE") == (ROOT / "LICENSE").read_text(encoding="utf-8")
    folders = {package: path for package in packages(wheel)
              for path in (ROOT, ROOT / "plugins", ROOT / "tasks", ROOT / "reference_models")
              if (path / package / "__init__.py").is_file()}  # fmt: skip
    assert set(folders) == packages(wheel)
    wanted = {str(p.relative_to(folder)) for package, folder in folders.items()
              for p in (folder / package).rglob("*.py")}  # fmt: skip
    assert {n for n in wheel.namelist() if n.endswith(".py")} == wanted


def test_both_have_one_version_and_ask_for_each_other_by_it():
    ours, training = (
        tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        for folder in FOLDERS.values()
    )
    assert training["version"] == empeval.__version__
    major, minor = map(int, empeval.__version__.split(".")[:2])
    within = f">={major}.{minor},<{major}.{minor + 1}"
    assert f"empeval[hf]{within}" in training["dependencies"]
    assert ours["optional-dependencies"]["train"] == [f"empeval-training{within}"]
    assert training["requires-python"] == ours["requires-python"]


@pytest.mark.parametrize("rest", [["--help"], ["mvc", "--data", "d", "--out", "o"]])
def test_without_training_the_verb_names_the_line_that_installs_it(tmp_path, rest):
    outcome = python(ALONE, json.dumps(["train", *rest]), folder=tmp_path)
    assert outcome.code == 2, outcome.err
    assert outcome.err == (
        "error: 'empeval train' needs empeval_training, which is not installed: "
        "pip install 'empeval[train]'\n"
    )


def test_without_training_the_other_verbs_are_there_and_typos_are_typos(tmp_path):
    listed = python(ALONE, json.dumps(["list", "scorers", "--format", "json"]), folder=tmp_path)
    assert listed.code == 0, listed.err
    assert "mvc" in {row["name"] for row in json.loads(listed.out)}
    wrong = python(ALONE, json.dumps(["trains"]), folder=tmp_path)
    assert wrong.code == 2
    assert "invalid choice" in wrong.err
    assert "pip install" not in wrong.err


def test_training_that_a_variable_leaves_out_is_not_called_missing(cli, monkeypatch):
    monkeypatch.setenv("EMPEVAL_DISABLE_PLUGINS", "empeval-training")
    outcome = cli("train", "--help")
    assert outcome.code == 2
    assert "EMPEVAL_DISABLE_PLUGINS leaves it out" in outcome.err
    assert "pip install" not in outcome.err


def test_its_own_tests_are_found_from_its_folder():
    settings = tomllib.loads((FOLDERS["empeval-training"] / "pyproject.toml").read_text("utf-8"))
    for folder in settings["tool"]["pytest"]["ini_options"]["testpaths"]:
        assert list((FOLDERS["empeval-training"] / Path(folder)).glob("test_*.py"))
