from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.rated_files import write_rated, write_rated_mirror
from support.small_recipes import small_recipe, small_teacher
from support.tiny_encoder import make_prepared, make_tiny_encoder

COMMENTS = (
    ("I am so glad that you came along today.", [17]),
    ("That dog scared me half to death.", [14]),
    ("Nothing much happened at work.", [27]),
    ("How dare they cancel it again!", [2, 3]),
    ("Thank you for the soup, it was lovely.", [15, 18]),
)


@pytest.fixture(scope="session")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of a few thousand weights."""
    return make_tiny_encoder(tmp_path_factory.mktemp("encoders") / "bert")


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random RoBERTa of a few thousand weights."""
    return make_tiny_encoder(tmp_path_factory.mktemp("encoders") / "roberta", "roberta")


@pytest.fixture(scope="session")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random BERT of three layers."""
    return make_tiny_encoder(tmp_path_factory.mktemp("encoders") / "deep", layers=3)


@pytest.fixture(scope="session")
def mpnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random MPNet of three layers."""
    return make_tiny_encoder(tmp_path_factory.mktemp("encoders") / "mpnet", "mpnet", layers=3)


@pytest.fixture(scope="session")
def rated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of four rated sets; nobody writes into it."""
    return write_rated(tmp_path_factory.mktemp("rated") / "people")


@pytest.fixture(scope="session")
def rated_mirror(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror of EmpatheticDialogues and ESConv that go with ``rated``."""
    return write_rated_mirror(tmp_path_factory.mktemp("rated-mirror"))


@pytest.fixture(scope="session")
def teacher(
    tmp_path_factory: pytest.TempPathFactory, deep: Path, rated: Path, rated_mirror: Path
) -> Path:
    """The run of a tiny teacher; what is written into it is the scale and what it said."""
    from empeval.data import use_data_directory
    from empeval_training.teacher.training import train_teacher

    out = tmp_path_factory.mktemp("teachers") / "teacher"
    with use_data_directory(rated_mirror):
        train_teacher(small_teacher(deep), rated, out, seed=17)
    return out


@pytest.fixture
def run_teacher(deep: Path, rated: Path, rated_mirror: Path) -> Callable[..., dict[str, Any]]:
    """Trains a tiny teacher into a folder."""
    from empeval.data import use_data_directory
    from empeval_training.teacher.training import train_teacher

    def run(out: Path, seed: int = 17, ratings: Path = rated, **changes: str) -> dict[str, Any]:
        with use_data_directory(rated_mirror):
            return train_teacher(small_teacher(deep, **changes), ratings, out, seed=seed)

    return run


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``prepare-ed`` writes it; nobody writes into it."""
    return make_prepared(tmp_path_factory.mktemp("prepared") / "ed")


@pytest.fixture(scope="session")
def comments(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mirror that holds GoEmotions, with comments of our own."""
    mirror = tmp_path_factory.mktemp("mirror")
    folder = mirror / "google-research-datasets" / "go_emotions"
    folder.mkdir(parents=True)
    rows = [{"text": text, "labels": labels, "id": text[:4]} for text, labels in COMMENTS * 6]
    (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return mirror


@pytest.fixture
def run_small(
    encoder: Path, prepared: Path, comments: Path, tmp_path: Path
) -> Callable[..., tuple[Path, dict[str, Any]]]:
    """Trains a small model and returns its folder and what its ``result.json`` holds."""
    from empeval.data import use_data_directory
    from empeval_training.train import train

    def run(
        model: str,
        seed: int = 17,
        out: Path | None = None,
        data: Path = prepared,
        **changes: str,
    ) -> tuple[Path, dict[str, Any]]:
        out = out or tmp_path / f"{model}-{seed}"
        recipe = small_recipe(model, changes.pop("encoder", encoder), **changes)
        with use_data_directory(comments):
            return out, train(recipe, data, out, seed=seed)

    return run
