from __future__ import annotations

from pathlib import Path

import pytest
from support.judging import EMPATHY, LENGTH, by_length, write_rubric
from support.tiny_checkpoints import (
    SCORERS,
    as_before,
    make_lively_encoder,
    make_tiny_adapter,
    make_tiny_checkpoint,
)

from empeval import EmpevalError, packaged_model


@pytest.fixture(scope="session")
def encoders(tmp_path_factory) -> dict[str, Path]:
    """A tiny random encoder of each kind."""
    root = tmp_path_factory.mktemp("encoders")
    return {kind: make_lively_encoder(root / kind, kind) for kind in ("bert", "roberta")}


@pytest.fixture(scope="session")
def checkpoints(encoders, tmp_path_factory) -> dict[str, Path]:
    """A tiny random checkpoint for each scorer; ``roberta`` is another for mvc."""
    root = tmp_path_factory.mktemp("checkpoints")
    made = {
        name: make_tiny_checkpoint(root / name, encoders["bert"], architecture)
        for name, architecture in SCORERS.items()
    }
    made["roberta"] = make_tiny_checkpoint(
        root / "roberta", encoders["roberta"], "cascade", pooling="cls"
    )
    return made


@pytest.fixture(scope="session")
def earlier(encoders, tmp_path_factory) -> dict[str, Path]:
    """Checkpoints of before the mechanisms, with a ``config.json`` that knows of none."""
    root = tmp_path_factory.mktemp("earlier")
    return {
        name: as_before(root / name, encoders["bert"], architecture, mechanisms=False)
        for name, architecture in SCORERS.items()
    }


@pytest.fixture(scope="session", params=["shared", "cascade"])
def adapter(request, encoders, tmp_path_factory) -> Path:
    """An adapter checkpoint of each architecture; the full one is beside it, as ``full``."""
    root = tmp_path_factory.mktemp("adapters")
    return make_tiny_adapter(root / "adapter", encoders["bert"], request.param)


@pytest.fixture(scope="session")
def bundled() -> Path:
    """The folder of the checkpoints that come with empeval."""
    from empeval_empathy.checkpoints import BUNDLED

    lacking = [name for name in SCORERS if not (BUNDLED / name / "config.json").is_file()]
    if lacking:
        pytest.skip(f"no bundled checkpoint for {', '.join(lacking)}")
    try:
        packaged_model("all-minilm-l6-v2")
    except EmpevalError as error:
        pytest.skip(f"their encoder, all-minilm-l6-v2, cannot be had: {error}")
    return BUNDLED


@pytest.fixture
def rubric(tmp_path: Path) -> Path:
    """A rubric of two scales; modules about another have their own."""
    return write_rubric(tmp_path, EMPATHY, LENGTH)


@pytest.fixture
def judge_server(model_server):
    """A server whose model judges a reply by its words."""
    model_server.answer = by_length
    return model_server
