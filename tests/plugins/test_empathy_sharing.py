"""The empathy scorers together: tokenized once, one table of word vectors, nothing mixed up."""

from __future__ import annotations

import gc
import json
from collections import Counter
from weakref import WeakSet

import pytest
from support.tiny_checkpoints import changed

import empeval
from empeval import Response, Sample, Score, Scored
from empeval.testing import fake_item
from empeval_empathy.checkpoints import load_checkpoint
from empeval_empathy.scorers import MVC, Baseline
from empeval_empathy.sharing import share_weights, shared_tokenizer
from empeval_tasks.ed_mini.task import EDMini


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A file of dialogues whose replies differ."""
    path = tmp_path_factory.mktemp("saved") / "dialogues.jsonl"
    rows = [
        {
            "context": [m.content for m in item.messages if m.role != "system"],
            "response": f"{item.reference} I mean it, {number}.",
            "reference": item.reference,
        }
        for number, item in enumerate(EDMini().items())
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def scores(run):
    found = {}
    for label in run.manifest.scorers["dialogues"]:
        found[label.partition("@")[0]] = list(run.scores("dialogues", label))
    return found


def test_three_scorers_tokenize_a_text_once(saved, checkpoints, tmp_path, monkeypatch):
    from transformers import PreTrainedTokenizerBase

    asked = Counter()
    tokenize = PreTrainedTokenizerBase.__call__

    def counting(self, text, **more):
        asked.update([text] if isinstance(text, str) else text)
        return tokenize(self, text, **more)

    monkeypatch.setattr(PreTrainedTokenizerBase, "__call__", counting)
    names = [f"{name}:{checkpoints[name]}" for name in ("mvc", "stm", "baseline")]
    together = scores(empeval.score(saved, names, out=tmp_path / "together"))
    assert set(asked.values()) == {1}
    assert len(asked) > 72
    for name in names:
        alone = scores(empeval.score(saved, [name], out=tmp_path / name.partition(":")[0]))
        for label, found in alone.items():
            assert found == together[label]


def test_another_tokenizer_or_limit_gets_views_of_its_own(saved, checkpoints, tmp_path):
    short = changed(checkpoints["stm"], tmp_path / "short", max_length=16)
    names = [f"baseline:{checkpoints['baseline']}", f"stm:{short}", f"mvc:{checkpoints['roberta']}"]
    together = scores(empeval.score(saved, names, out=tmp_path / "together"))
    for name in names:
        kind = name.partition(":")[0]
        assert together[kind] == scores(empeval.score(saved, [name], out=tmp_path / kind))[kind]
    assert "tokens were read" in together["stm"][0].note
    assert together["baseline"][0].note is None


def pointers(model):
    return {name: weight.data_ptr() for name, weight in model.named_parameters()}


def test_models_share_the_weights_that_are_the_same_bits_and_no_others(checkpoints):
    import torch

    models = [load_checkpoint(checkpoints[name])[0] for name in ("baseline", "stm", "mvc")]
    before = [{n: w.clone() for n, w in model.named_parameters()} for model in models]
    with torch.no_grad():
        models[1].encoder.embeddings.word_embeddings.weight[3] += 1e-6  # trained, say
        before[1]["encoder.embeddings.word_embeddings.weight"][3] += 1e-6
    for model in models:
        share_weights(model)
    word, place = (f"encoder.embeddings.{kind}_embeddings.weight" for kind in ("word", "position"))
    found = [pointers(model) for model in models]
    assert found[0][place] == found[1][place] == found[2][place]
    assert found[0][word] != found[1][word]
    for model, own in zip(models, before, strict=True):
        now = dict(model.named_parameters())
        assert now.keys() == own.keys()
        assert all(torch.equal(now[name], weight) for name, weight in own.items())


def test_what_nobody_uses_any_more_is_not_kept(checkpoints):
    from torch import nn

    gone = nn.Linear(300, 300)
    share_weights(gone)
    twin = nn.Linear(300, 300)
    twin.load_state_dict(gone.state_dict())
    place = gone.weight.data_ptr()
    share_weights(twin)
    assert twin.weight.data_ptr() == place
    other = nn.Linear(300, 300)
    other.load_state_dict(twin.state_dict())
    del gone, twin
    gc.collect()
    own = other.weight.data_ptr()
    share_weights(other)
    assert other.weight.data_ptr() == own


def test_a_tokenizer_is_shared_with_its_like(checkpoints):
    first, second, odd = (load_checkpoint(checkpoints[n])[1] for n in ("stm", "mvc", "roberta"))
    assert shared_tokenizer(first) is shared_tokenizer(second)
    assert shared_tokenizer(odd) is not shared_tokenizer(first)
    cased = load_checkpoint(checkpoints["stm"])[1]
    cased.add_tokens(["sorrow"])
    assert shared_tokenizer(cased) is cased


class Watched(dict):
    """Metadata of an item; who holds the item holds it."""

    __hash__ = object.__hash__


@pytest.mark.parametrize("kind", [Baseline, MVC])
def test_figures_hold_no_samples(kind):
    alive = WeakSet()
    most = []
    values = {value.name: 1.5 for value in kind.card.values}

    class OnDisk:
        """Samples that are made when they are walked, as those of a run folder are."""

        def __iter__(self):
            for number in range(500):
                metadata = Watched()
                alive.add(metadata)
                most.append(len(alive))
                item = fake_item(str(number), metadata=metadata)
                sample = Sample(item, Response(str(number), "Oh."))
                yield Scored(sample, Score(str(number), values=values, labels={"emotion": "sad"}))

        def __len__(self):
            return 500

    figures = kind().metrics(OnDisk())
    assert {f.metric for f in figures} > {"empathy", "human", "empathy_minus_human"}
    assert all(f.n == 500 for f in figures)
    assert len(most) >= 500
    assert max(most) <= 3
