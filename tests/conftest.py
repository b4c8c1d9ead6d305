from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from support.command import Outcome
from support.distributions import make_distribution
from support.hub_server import ROOT, Hub
from support.model_server import ModelServer

from empeval import registry
from empeval.cli import main

# a machine that does other things as well is slow, which is no failure of what is tested
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture
def cli(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Outcome]:
    """Runs the command line in this process, in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("EMPEVAL_DEBUG", "COLUMNS"):  # whoever runs the tests may have set them
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:  # argparse leaves this way
            code = end.code if isinstance(end.code, int) else 1
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    """Puts folders of distributions on the path for the length of a test."""
    folders: list[Path] = []

    def add(folder: Path) -> None:
        monkeypatch.syspath_prepend(folder)
        importlib.invalidate_caches()
        registry.components.cache_clear()
        folders.append(folder.resolve())

    yield add
    registry.components.cache_clear()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if file and any(folder in Path(file).resolve().parents for folder in folders):
            del sys.modules[name]


@pytest.fixture(scope="session")
def odd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that, once on the path, installs the plugins of ``support.odd``."""
    from support.odd import POINTS

    return make_distribution(tmp_path_factory.mktemp("odd"), "odd-plugins", points=POINTS)


@pytest.fixture
def odd_plugins(odd_folder: Path, install: Callable[[Path], None]) -> Path:
    """The plugins of ``support.odd``, installed for this process."""
    install(odd_folder)
    return odd_folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub on the loopback interface; processes that the test starts use it."""
    server = Hub(tmp_path / "hf-home")
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "EMPEVAL_DATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in server.settings().items():
        monkeypatch.setenv(name, value)
    yield server
    server.close()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """A mirror of the real data sets; tests that need one are skipped without it."""
    folders = [os.environ.get("EMPEVAL_DATA"), ROOT.parent / "shared" / "data" / "hub"]
    for folder in folders:
        if folder and Path(folder).is_dir():
            return Path(folder)
    pytest.skip("no mirror of the data sets; set EMPEVAL_DATA to run this test")


@pytest.fixture
def model_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelServer]:
    """An OpenAI-compatible server on the loopback interface; no key is set."""
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    server = ModelServer()
    yield server
    server.close()


def pytest_make_parametrize_id(val: object) -> str | None:
    """Bytes by their number: a packed file holds the second in which it was made, and test
    processes that name their tests differently cannot share them.
    """
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
