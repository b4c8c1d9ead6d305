"""Files of heads: both formats hold the same, and nothing in them is ever run."""

from __future__ import annotations

import os

import pytest
from support.tiny_heads import make_base, make_heads

from empeval import UsageError
from empeval_heads.facts import find_file, read_facts
from empeval_heads.head import load_head
from empeval_heads.scorers import EmotionHead


@pytest.fixture(scope="module")
def heads(tmp_path_factory):
    root = tmp_path_factory.mktemp("heads")
    return make_heads(root / "heads", make_base(root / "base"))


def test_both_formats_hold_the_same_weights_and_facts(heads):
    import torch

    one, facts = load_head(heads / "emotion-head.safetensors", "emotion")
    two, same = load_head(heads / "emotion-head.pt", "emotion")
    assert facts == same
    for name, weight in one.state_dict().items():
        assert torch.equal(weight, two.state_dict()[name])


def test_a_pt_file_is_what_torch_loads_with_weights_only(heads):
    import torch

    content = torch.load(heads / "strategy-head.pt", weights_only=True)
    assert set(content) == {"format", "facts", "state"}
    assert all(isinstance(w, torch.Tensor) for w in content["state"].values())


class Payload:
    def __reduce__(self):
        return (os.system, ("touch ran",))


def test_a_pt_file_with_code_in_it_is_refused_and_not_run(tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    torch.save({"format": "empeval-head-1", "facts": "{}", "state": Payload()}, "emotion-head.pt")
    with pytest.raises(UsageError, match="is refused: besides tensors it holds objects"):
        EmotionHead(str(tmp_path))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"not a zip", b"\x80\x04N."])
def test_a_pt_file_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "emotion-head.pt").write_bytes(content)
    with pytest.raises(UsageError, match=r"emotion-head\.pt"):
        EmotionHead(str(tmp_path))


def test_other_files_of_tensors_are_no_heads(tmp_path):
    import torch
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / "emotion-head.safetensors")
    with pytest.raises(UsageError, match="its header does not say"):
        EmotionHead(str(tmp_path))
    (tmp_path / "emotion-head.safetensors").write_bytes(b"nothing")
    with pytest.raises(UsageError, match="cannot be read as safetensors"):
        EmotionHead(str(tmp_path))
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(UsageError, match="does not say empeval-head-1"):
        EmotionHead(str(tmp_path / "other.pt"))
    torch.save({"format": "empeval-head-1", "facts": "{}", "state": [1]}, tmp_path / "list.pt")
    with pytest.raises(UsageError, match="not a table of tensors"):
        EmotionHead(str(tmp_path / "list.pt"))


def test_weights_that_do_not_fit_the_facts_are_refused(heads, tmp_path):
    import msgspec
    from safetensors.torch import load_file, save_file

    path = heads / "emotion-head.safetensors"
    facts = msgspec.structs.replace(read_facts(path, "emotion"), hidden=9)
    metadata = {"empeval-head-1": msgspec.json.encode(facts).decode()}
    save_file(load_file(path), tmp_path / "emotion-head.safetensors", metadata=metadata)
    with pytest.raises(UsageError, match="does not hold the weights that its facts speak of"):
        load_head(tmp_path / "emotion-head.safetensors", "emotion")


def test_other_classes_are_refused(heads, tmp_path):
    import msgspec
    from safetensors.torch import load_file, save_file

    path = heads / "emotion-head.safetensors"
    facts = read_facts(path, "emotion")
    for labels in (("kindness", *facts.labels[1:]), (facts.labels[1], *facts.labels[1:])):
        other = msgspec.structs.replace(facts, labels=labels)
        metadata = {"empeval-head-1": msgspec.json.encode(other).decode()}
        save_file(load_file(path), tmp_path / "emotion-head.safetensors", metadata=metadata)
        with pytest.raises(UsageError, match="other classes than the 28"):
            EmotionHead(str(tmp_path))


def test_safetensors_goes_before_pt(heads):
    assert find_file(heads, "emotion").suffix == ".safetensors"
