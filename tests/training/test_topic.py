"""A topic learns which reply was given to which context, and how much that is worth."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
import torch
from support.tiny_encoder import tiny_examples

from empeval_empathy.checkpoints import load_checkpoint
from empeval_empathy.heads import Topic
from empeval_empathy.judge import Judge
from empeval_empathy.views import Dialogue
from empeval_training import topic as module
from empeval_training.data import read_examples
from empeval_training.scales import NAMES
from empeval_training.topic import fit_topic, given_replies, mix_relevance

RELEVANCE = NAMES.index("relevance")


def pairs(count=600, seed=0):
    """Two layers of 12 numbers; in each, 4 are what it is about and 8 larger ones are style."""
    dice = torch.Generator().manual_seed(seed)
    about = torch.randn(count, 2, 4, generator=dice)

    def said(offset):
        own = about + 0.2 * torch.randn(count, 2, 4, generator=dice)
        style = 2.0 * torch.randn(count, 2, 8, generator=dice)
        return torch.cat([own, style], -1).flatten(1) + offset

    return said(3.0), said(-2.0)


def above(topic, contexts, replies):
    """How often the own reply's cosine is above that of the next one's."""
    with torch.no_grad():
        seen, said = topic.of_contexts(contexts).numpy(), topic.of_replies(replies).numpy()
    return float(((seen * said).sum(1) > (seen * np.roll(said, 1, 0)).sum(1)).mean())


def test_the_own_reply_comes_to_be_the_nearest_one(monkeypatch):
    monkeypatch.setattr(module, "LEARNING_RATE", 0.03)
    topic = Topic(24, 2, 16)
    contexts, replies = pairs()
    alone = torch.arange(len(contexts))
    share = fit_topic(topic, contexts, replies, alone, 300, seed=1)
    assert share > 0.1  # by chance 1 of 512
    assert above(topic, *pairs(seed=5)) > 0.95
    again = Topic(24, 2, 16)
    fit_topic(again, contexts, replies, alone, 300, seed=1)
    assert torch.equal(again.context.weight, topic.context.weight)
    assert topic.centre.detach().numpy() == pytest.approx(
        np.concatenate([contexts, replies]).mean(0), abs=1e-5
    )


def test_a_reply_of_the_same_conversation_is_no_wrong_one():
    """Where all are of one conversation there is nothing to learn."""
    topic = Topic(24, 2, 16)
    contexts, replies = pairs()
    fit_topic(topic, contexts, replies, torch.zeros(len(contexts), dtype=torch.long), 5, seed=1)
    # weight decay alone has moved the maps, both alike
    assert torch.equal(topic.context.weight, topic.reply.weight)


def test_what_people_gave_counts_once_and_no_variant():
    examples = tiny_examples("train")
    human = msgspec.structs.replace(examples[0], variant="human", ratings={"relevance": 1.0})
    rated = msgspec.structs.replace(human, id="r", variant="rated:epitome")
    padded = msgspec.structs.replace(human, id="p", variant="padded")
    stranger = msgspec.structs.replace(human, id="s", variant="stranger", ratings={"relevance": 0})
    unknown = msgspec.structs.replace(human, id="u", ratings={})
    given = given_replies([human, rated, rated, padded, stranger, unknown, human])
    assert [e.id for e in given] == [human.id, "r"]


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_relevance_is_the_log_odds_of_being_ones_own(spread):
    """Two normal clouds of one spread: the log-odds are linear, by Bayes' rule."""
    dice = np.random.default_rng(4)
    count = 4000
    means = {"own": (1.0, 0.5), "other": (-0.5, 0.2)}
    drawn = {
        name: np.stack(
            [dice.normal(m, s, count) for m, s in zip(mean, (spread, 0.3), strict=True)], 1
        )
        for name, mean in means.items()
    }
    topic = Topic(4, 1, 2)
    threshold = 0.7
    steps = [scale["high"] - scale["low"] for scale in scales()]
    thresholds = torch.zeros(sum(steps))
    thresholds[sum(steps[:RELEVANCE])] = threshold
    model = SimpleNamespace(
        topic=topic, scales=SimpleNamespace(thresholds=thresholds, counts=steps)
    )

    def predicted(examples):
        latents = np.zeros((count, len(NAMES)))
        latents[:, RELEVANCE] = drawn[examples[0]][:, 0]
        return {"latents": latents, "match": drawn[examples[0]][:, 1]}

    mix_relevance(model, ["own"] * count, ["other"] * count, predicted)
    found = topic.mix.tolist()
    first, second = 1.5 / spread**2, 0.3 / 0.3**2
    constant = (0.25 - 1.0) / 2 / spread**2 + (0.04 - 0.25) / 2 / 0.3**2
    assert found[:2] == pytest.approx([first, second], rel=0.2)
    assert found[2] - threshold == pytest.approx(constant, rel=0.2, abs=0.4)


def with_strangers(prepared, folder):
    """Prepared data whose validation part has replies to somebody else beside people's."""
    shutil.copytree(prepared, folder)
    humans = [e for e in read_examples(folder, "validation") if e.variant == "human"]
    strangers = [
        msgspec.structs.replace(e, id=f"{e.id}~stranger", variant="stranger", reply=other.reply)
        for e, other in zip(humans, [*humans[1:], humans[0]], strict=True)
    ]
    with (folder / "validation.jsonl").open("ab") as file:
        file.writelines(msgspec.json.encode(e) + b"\n" for e in strangers)
    return folder


def scales():
    from empeval_training.scales import as_config

    return as_config()


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("model", ["baseline", "mvc"])
def test_a_trained_checkpoint_holds_replies_against_contexts(
    run_small, prepared, tmp_path, model, method
):
    data = with_strangers(prepared, tmp_path / "ed")
    out, result = run_small(model, data=data, method=method, topic_epochs="2", topic_width="5")
    assert (out / "stages" / "topic.safetensors").is_file()
    loaded, _ = load_checkpoint(out / "checkpoint")
    assert loaded.config.topic["width"] == 5
    assert float(loaded.topic.centre.detach().abs().max()) > 0
    mix = loaded.topic.mix.tolist()
    assert mix != [1.0, 0.0, 0.0]
    if method == "lora":
        adapted, _ = load_checkpoint(out / "adapter")
        assert adapted.topic.mix.tolist() == pytest.approx(mix, rel=2e-3)
    test = [e for e in read_examples(prepared, "test") if e.variant == "human"]
    judged = Judge(out / "checkpoint").judge([Dialogue(e.context, e.reply) for e in test])
    said = np.array([e.empathy for e in test])
    mae = float(np.abs(judged.empathy - said).mean())
    assert result["figures"]["human"]["mae"] == pytest.approx(mae, abs=1e-4)


def test_a_topic_is_taken_from_the_folder_when_it_is_there(run_small, tmp_path):
    out, result = run_small("baseline", topic_epochs="2", topic_width="5")
    done = out / "stages" / "topic.safetensors"
    before = done.read_bytes()
    (out / "result.json").unlink()
    again_out, again = run_small("baseline", out=out, topic_epochs="2", topic_width="5")
    assert again_out == out
    assert done.read_bytes() == before
    assert again["figures"] == result["figures"]
