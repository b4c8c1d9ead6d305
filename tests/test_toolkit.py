"""The scorer toolkit: its names, and vectors that are those of each row by itself."""

from __future__ import annotations

import re
import textwrap

import numpy as np
import pytest
from support.tiny_encoder import make_tiny_encoder

from empeval import toolkit
from empeval.toolkit import PooledEncoder, TokenRow, load_encoder, mean_pool, padded

ROWS = [
    TokenRow([2, 9, 10, 11, 3]),
    TokenRow([2, 7, 3], start=1),
    TokenRow([2, 4, 5, 6, 7, 8, 9, 3], start=3, second=4),
    TokenRow([2, 3]),
    TokenRow([2, 12, 13, 14, 3], start=4, second=2),
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    pytest.importorskip("torch")
    return make_tiny_encoder(tmp_path_factory.mktemp("tiny") / "bert", layers=2)


@pytest.fixture
def model(tiny):
    return load_encoder(tiny, "tiny", optional="pooler.")[0]


def alone(model, row, pooling):
    """A row's vector, from a pass of its own and plain sums."""
    import torch

    ids = torch.tensor([list(row.ids)])
    kinds = [int(row.second is not None and index >= row.second) for index in range(len(row.ids))]
    with torch.no_grad():
        states = model(input_ids=ids, token_type_ids=torch.tensor([kinds])).last_hidden_state[0]
    states = states.numpy().astype(float)
    if pooling == "cls":
        return states[0]
    return states[-1] if pooling == "last" else sum(states[row.start :]) / len(states[row.start :])


def test_every_public_name_is_there_once():
    assert sorted(toolkit.__all__) == dir(toolkit)
    assert len({id(getattr(toolkit, name)) for name in toolkit.__all__}) == len(toolkit.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nobody'"):
        toolkit.nobody  # noqa: B018


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
@pytest.mark.parametrize("budget", [1, 10, 1000])
def test_a_row_has_the_vector_that_it_has_alone(model, pooling, budget):
    encoder = PooledEncoder(
        model, pooling=pooling, segments=True, batch_tokens={"cpu": budget, "cuda": budget}
    )
    found = encoder.pooled(ROWS).cpu().numpy()
    expected = np.stack([alone(model.to("cpu"), row, pooling) for row in ROWS])
    assert found == pytest.approx(expected, abs=1e-5)
    assert np.abs(expected[0] - expected[4]).max() > 1e-3


def test_batches_name_each_row_once_and_keep_to_the_budget(model):
    encoder = PooledEncoder(model, batch_tokens={"cpu": 10, "cuda": 10})
    numbers = [batch for batch, _ in encoder.batches(ROWS)]
    assert sorted(n for batch in numbers for n in batch) == [0, 1, 2, 3, 4]
    assert all(len(b) * max(len(ROWS[n].ids) for n in b) <= 10 for b in numbers)
    assert len(numbers) > 1


def test_states_of_several_layers_stand_side_by_side(model):
    encoder = PooledEncoder(model)

    def both(given):
        states = model(**given, output_hidden_states=True).hidden_states
        return [states[1], states[2]]

    ((numbers, vectors),) = encoder.batches(ROWS, states=both, pooling="last")
    width = model.config.hidden_size
    assert vectors.shape == (len(ROWS), 2 * width)
    last = PooledEncoder(model, pooling="last").pooled(ROWS).cpu()[numbers]
    assert vectors[:, width:].cpu().numpy() == pytest.approx(last.numpy(), abs=1e-6)
    assert (vectors[:, :width] - vectors[:, width:]).abs().max() > 0.01


def test_rows_are_filled_up_and_marked():
    pytest.importorskip("torch")
    tensors = padded(ROWS[1:3], padding=99, segments=True)
    assert tensors["input_ids"].tolist() == [[2, 7, 3, *[99] * 5], list(ROWS[2].ids)]
    assert tensors["attention_mask"].tolist() == [[1, 1, 1, 0, 0, 0, 0, 0], [1] * 8]
    assert tensors["token_type_ids"].tolist() == [[0] * 8, [0, 0, 0, 0, 1, 1, 1, 1]]
    assert "token_type_ids" not in padded(ROWS)


def test_a_mask_without_a_mark_pools_nothing():
    torch = pytest.importorskip("torch")
    states = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [9.0, 9.0]]] * 2)
    mask = torch.tensor([[1, 1, 0], [0, 0, 0]])
    assert mean_pool(states, mask).tolist() == [[2.0, 4.0], [0.0, 0.0]]


def test_the_example_of_its_docstring_works_as_it_stands(tiny):
    code = textwrap.dedent(toolkit.__doc__.partition("Texts as vectors::")[2])
    code, changed = re.subn("packaged:all-minilm-l6-v2", str(tiny), code)
    assert changed == 1
    names = {}
    exec(code, names)
    vectors = names["vectors"](["I am happy.", "I am happy.", "Oh no, that is sad."])
    assert vectors.shape == (3, 16)
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-6)
    assert np.abs(vectors[0] - vectors[2]).max() > 0.01
