from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from support.distributions import make_distribution


@pytest.fixture(scope="session")
def biased_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that, once on the path, installs the scorers of ``support.biased``."""
    from support.biased import POINTS

    return make_distribution(tmp_path_factory.mktemp("biased"), "biased-scorers", points=POINTS)


@pytest.fixture
def biased(biased_folder: Path, install: Callable[[Path], None]) -> Path:
    """The scorers of ``support.biased``, installed for this process."""
    install(biased_folder)
    return biased_folder
