"""What computes an encoder: how it is asked for, what it says of itself, and what comes out."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest
from support.command import python
from support.tiny_checkpoints import make_lively_encoder

from empeval import UsageError
from empeval.asked import AskedScorer
from empeval.certificates import OTHER_CHECKPOINT, OTHER_ENGINE, match
from empeval.engines import Engine, weights_of
from empeval.extras import is_installed
from empeval.references import split_target
from empeval.registry import expand
from empeval.toolkit import PooledEncoder, TokenRow, load_encoder, read_engine

installed = pytest.mark.skipif(
    not (is_installed("openvino") and is_installed("torch")),
    reason="openvino is not installed: pip install 'empeval[openvino]'",
)
INT8 = "engine=openvino&precision=int8"
EVERY = [
    Engine(),
    Engine(engine="openvino"),
    Engine(engine="openvino", precision="bfloat16"),
    Engine(engine="openvino", precision="int8"),
]
ROWS = [
    TokenRow([2, 9, 10, 11, 3]),
    TokenRow([2, 7, 3], start=1),
    TokenRow([2, *range(4, 44), 3], start=3, second=20),
    TokenRow([2, 3]),
]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("mvc?engine=torch", ("mvc", None, EVERY[0])),
        (f"mvc?{INT8}", ("mvc", None, EVERY[3])),
        (f"mvc:?{INT8}", ("mvc", None, EVERY[3])),
        ("mvc:org/name?engine=openvino", ("mvc", "org/name", EVERY[1])),
        ("mvc:C:\\a", ("mvc", "C:\\a", EVERY[0])),
        ("mvc", ("mvc", None, EVERY[0])),
    ],
)
def test_the_options_stand_behind_the_target(spec, expected, monkeypatch):
    monkeypatch.setattr("empeval.engines.require", lambda *_: None)
    name, target = split_target(spec)
    assert (name, *read_engine(target)) == expected
    assert expand("scorers", [spec]) == [spec]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("engine=openvin", "Invalid enum value 'openvin'"),
        ("precision=int8", "precision=int8 goes with engine=openvino"),
        ("engine=openvino&precision=int4", "Invalid enum value 'int4'"),
        ("engin=openvino", "Unknown option 'engin'.*'engine'"),
        ("engine=torch&engine=openvino", "given twice"),
        ("int8=", "Unknown option 'int8'"),
        ("int8", "not option=value"),
    ],
)
def test_what_makes_no_sense_is_said(query, message):
    with pytest.raises(UsageError, match=message):
        read_engine(f"org/name?{query}")


def test_openvino_that_is_not_there_is_named_with_its_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(UsageError, match=r"needs openvino.*pip install 'empeval\[openvino\]'"):
        AskedScorer("similarity?engine=openvino")


def test_every_engine_signs_the_weights_in_its_own_way():
    signed = [engine.sign("sha256:a") for engine in EVERY]
    assert signed[0] == "sha256:a"  # as it was before there were engines
    assert len(set(signed)) == len(EVERY)
    assert {weights_of(one) for one in signed} == {"sha256:a"}
    assert EVERY[0].short("folder") is None
    assert len({engine.short("folder") for engine in EVERY}) == len(EVERY)


def test_a_certificate_holds_for_its_engine_only():
    def scorer(fingerprint):
        return SimpleNamespace(card=SimpleNamespace(version="1"), fingerprint=lambda: fingerprint)

    for own in EVERY:
        certificate = SimpleNamespace(version="1", fingerprint=own.sign("sha256:a"))
        for other in EVERY:
            found = match(certificate, scorer(other.sign("sha256:a")))
            assert found == ((certificate, "") if own == other else (None, OTHER_ENGINE))
            assert match(certificate, scorer(other.sign("sha256:b"))) == (None, OTHER_CHECKPOINT)


@pytest.fixture(scope="module", params=["bert", "roberta", "mpnet"])
def model(request, tmp_path_factory):
    folder = make_lively_encoder(tmp_path_factory.mktemp("tiny") / request.param, request.param)
    return load_encoder(folder, "tiny", optional="pooler.")[0]


def vectors(model, engine, pooling="mean", budget=1000):
    encoder = PooledEncoder(
        model,
        pooling=pooling,
        padding=model.config.pad_token_id,
        segments=model.config.model_type == "bert",
        batch_tokens={"cpu": budget, "cuda": budget},
        engine=engine,
    )
    return encoder.pooled(ROWS).cpu().numpy()


@installed
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_openvino_gives_the_vectors_of_torch_whatever_the_sizes(model, pooling):
    expected = vectors(model, EVERY[0], pooling)
    for budget in (1, 1000):
        found = vectors(model, EVERY[1], pooling, budget)
        np.testing.assert_allclose(found, expected, atol=2e-5)


@installed
def test_eight_bits_are_near_and_not_the_same(model):
    expected = vectors(model, EVERY[0])
    found = vectors(model, EVERY[3])
    apart = np.abs(found - expected).max()
    assert 1e-4 < apart < 0.1 * np.abs(expected).max()
    # What torch gives with each row of each matrix at 255 levels is nearer than what it gave.
    assert (
        np.abs(found - vectors(rounded(model), EVERY[0])).mean() < np.abs(found - expected).mean()
    )


def rounded(model):
    """A copy whose matrices, tables apart, have 255 levels a row, by the plain definition."""
    import copy

    import torch

    other = copy.deepcopy(model)
    for module in other.modules():
        if isinstance(module, torch.nn.Linear):
            rows = module.weight.data.numpy()
            step = np.abs(rows).max(axis=1, keepdims=True) / 127
            module.weight.data = torch.from_numpy(np.round(rows / step) * step)
    return other


@installed
def test_the_model_is_left_as_it_was(model):
    before = vectors(model, EVERY[0])
    vectors(model, EVERY[3])
    np.testing.assert_array_equal(vectors(model, EVERY[0]), before)


@pytest.mark.skipif(not is_installed("openvino"), reason="openvino is not installed")
def test_openvino_reports_its_use_to_nobody(tmp_path, monkeypatch):
    """Left to itself it makes a number for the user under HOME, and sends it with each event."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    program = (
        "import sys\n"
        "from empeval.engines import unreported\n"
        "with unreported():\n"
        "    import openvino\n"
        "print('openvino_telemetry' in sys.modules)\n"
    )
    found = python(program, folder=tmp_path)
    assert (found.code, found.out.strip(), found.err) == (0, "False", "")
    assert not (tmp_path / "intel").exists()
