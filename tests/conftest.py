from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.hub_server import ROOT, Hub


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
    places = [os.environ.get("EMPEVAL_DATA"), ROOT.parent / "shared" / "data" / "hub"]
    for place in places:
        if place and Path(place).is_dir():
            return Path(place)
    pytest.skip("no mirror of the data sets; set EMPEVAL_DATA to run this test")
