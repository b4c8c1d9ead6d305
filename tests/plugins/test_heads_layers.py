"""Heads that read a middle layer: the right states, no work above them, and files that say so."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
from support.tiny_heads import make_base, make_heads

from empeval import UsageError
from empeval.testing import fake_sample
from empeval_heads.base import FrozenBase, Passage
from empeval_heads.facts import FORMAT, read_facts, read_tensors, write_head
from empeval_heads.head import Head, load_head, probabilities
from empeval_heads.scorers import EmotionHead

DEPTH = 4
TEXTS = ("I am so sorry to hear that.", "Why?", "That must have hurt you a lot, I think.")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep") / "base"
    return make_base(folder, num_hidden_layers=DEPTH, initializer_range=0.1)


@pytest.fixture(scope="module")
def base(folder):
    return FrozenBase(str(folder))


@pytest.fixture(scope="module")
def hidden(folder):
    """The mean over each text's tokens of what the library says after every layer."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for text in TEXTS:
        own = tokenizer(text, add_special_tokens=False).input_ids
        ids = torch.tensor([[tokenizer.bos_token_id, *own]])
        with torch.no_grad():
            states = model(input_ids=ids, output_hidden_states=True).hidden_states
        found.append([state[0, 1:].mean(0).numpy() for state in states])
    return np.array(found)  # (texts, 1 + depth, width)


def passages():
    return [Passage(text) for text in TEXTS]


@pytest.mark.parametrize("layers", [(1,), (2,), (DEPTH,), (3, 1), (2, DEPTH)])
def test_states_are_those_after_the_layers_that_are_asked_for(base, hidden, layers):
    expected = np.concatenate([hidden[:, layer] for layer in layers], axis=1)
    found = base.embed(passages(), layers=layers)
    assert found.shape == (len(TEXTS), len(layers) * base.width)
    assert found == pytest.approx(expected, abs=1e-4)


def test_no_layer_named_is_the_last_one(base, hidden):
    assert base.embed(passages()) == pytest.approx(hidden[:, DEPTH], abs=1e-4)
    assert np.abs(hidden[:, DEPTH] - hidden[:, 2]).max() > 0.1, "so the layers differ"


@pytest.mark.parametrize(
    ("layers", "run"), [((2,), [1, 1, 0, 0]), ((3, 1), [1, 1, 1, 0]), ((), [1, 1, 1, 1])]
)
def test_layers_above_the_deepest_are_not_run(folder, layers, run):
    base = FrozenBase(str(folder))
    calls = [0] * DEPTH
    blocks = base._encoder.model.layers

    def counted(index, forward):
        def call(*args, **options):
            calls[index] += 1
            return forward(*args, **options)

        return call

    for index, block in enumerate(blocks):
        block.forward = counted(index, block.forward)
    one = passages()[:1]  # of unlike lengths they would be several batches
    base.embed(one, layers=layers)
    assert calls == run
    # What ends one pass early must not stay behind for the next.
    base.embed(one)
    assert calls == [count + 1 for count in run]


def test_bf16_is_near_fp32(base):
    exact = base.embed(passages(), layers=(3,))
    near = base.embed(passages(), layers=(3,), precision="bf16")
    assert near.dtype == np.float32
    assert near == pytest.approx(exact, abs=0.05 * float(np.abs(exact).max()))
    assert not np.array_equal(near, exact)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ((0,), "has no layer 0; name one from 1 to 4"),
        ((2, 5), "has no layer 5; name one from 1 to 4"),
        ((2, 2), "Layer 2 is named twice"),
    ],
)
def test_layers_that_make_no_sense_are_refused(base, layers, message):
    with pytest.raises(UsageError, match=message):
        base.embed(passages(), layers=layers)


def rewritten(heads, out, **changes):
    """The emotion head of a folder with other facts."""
    path = heads / "emotion-head.safetensors"
    facts = msgspec.structs.replace(read_facts(path, "emotion"), **changes)
    out.mkdir()
    write_head(out, facts, read_tensors(path))
    return out


@pytest.fixture(scope="module")
def heads(folder):
    return make_heads(folder.parent / "heads", folder)


def test_a_head_reads_the_layer_that_its_file_names(base, heads, hidden, tmp_path):
    out = rewritten(heads, tmp_path / "two", layers=(2,))
    scores = EmotionHead(str(out)).score([fake_sample(text) for text in TEXTS])
    head, facts = load_head(out / "emotion-head.safetensors", "emotion")
    expected = probabilities(head, facts, hidden[:, 2])
    for score, row in zip(scores, expected, strict=True):
        assert list(score.values.values()) == pytest.approx(row, abs=1e-4)
    (last,) = EmotionHead(str(heads)).score([fake_sample(TEXTS[0])])
    assert last.values != scores[0].values


def test_a_head_of_two_layers_is_twice_as_wide(base, heads, hidden, tmp_path):
    path = heads / "emotion-head.safetensors"
    facts = msgspec.structs.replace(
        read_facts(path, "emotion"), layers=(1, 3), width=2 * base.width
    )
    torch.manual_seed(4)
    head = Head(facts.width, facts.hidden, 28)
    (tmp_path / "wide").mkdir()
    write_head(tmp_path / "wide", facts, head.state_dict())
    scores = EmotionHead(str(tmp_path / "wide")).score([fake_sample(text) for text in TEXTS])
    expected = probabilities(head, facts, np.concatenate([hidden[:, 1], hidden[:, 3]], 1))
    for score, row in zip(scores, expected, strict=True):
        assert list(score.values.values()) == pytest.approx(row, abs=1e-3)


def test_a_file_from_before_layers_still_means_the_last_one(heads, tmp_path):
    from safetensors.torch import save_file

    path = heads / "emotion-head.safetensors"
    facts = msgspec.to_builtins(read_facts(path, "emotion"))
    for field in ("layers", "standardized", "thresholds"):
        del facts[field]
    old = tmp_path / "emotion-head.safetensors"
    save_file(read_tensors(path), old, metadata={FORMAT: msgspec.json.encode(facts).decode()})
    assert read_facts(old, "emotion").layers == ()
    sample = [fake_sample(TEXTS[0])]
    assert EmotionHead(str(tmp_path)).score(sample) == EmotionHead(str(heads)).score(sample)


def test_a_head_for_a_layer_that_its_base_lacks_is_refused(heads, tmp_path):
    out = rewritten(heads, tmp_path / "deep", layers=(9,))
    with pytest.raises(UsageError, match=r"emotion-head.*has no layer 9; name one from 1 to 4"):
        EmotionHead(str(out)).score([fake_sample("Hello.")])


def test_thresholds_are_one_for_each_class(heads, tmp_path):
    out = rewritten(heads, tmp_path / "few", thresholds=(0.5, 0.4))
    with pytest.raises(UsageError, match="has 2 thresholds for 28 classes"):
        EmotionHead(str(out))


def test_a_standardized_head_centres_and_scales_first(heads, tmp_path):
    dice = np.random.default_rng(2)
    center, scale = dice.normal(0, 3000, 32), dice.uniform(1e-3, 10, 32)
    path = heads / "emotion-head.safetensors"
    plain, facts = load_head(path, "emotion")
    tensors = read_tensors(path) | {
        "center": torch.tensor(center, dtype=torch.float32),
        "scale": torch.tensor(scale, dtype=torch.float32),
    }
    write_head(tmp_path, msgspec.structs.replace(facts, standardized=True), tensors)
    head, own = load_head(tmp_path / "emotion-head.safetensors", "emotion")
    x = (center + dice.normal(size=(5, 32)) / scale).astype(np.float32)
    expected = probabilities(plain, facts, (x - center.astype(np.float32)) * scale)
    assert probabilities(head, own, x) == pytest.approx(expected, abs=1e-4)
