from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support.support_talks import write_mirror
from support.tiny_heads import make_base
from support.tiny_models import CHATML, byte_tokenizer

from empeval.data import use_data_directory


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three data sets of the pipeline, in texts of our own."""
    return write_mirror(tmp_path_factory.mktemp("talks"))


@pytest.fixture
def at_mirror(mirror: Path) -> Iterator[Path]:
    """Data sets are read from the mirror."""
    with use_data_directory(mirror):
        yield mirror


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with a chat template."""
    folder = tmp_path_factory.mktemp("bases") / "base"
    return make_base(folder, tokenizer=byte_tokenizer(chat_template=CHATML), initializer_range=0.1)
