"""Whether a reply is one to its dialogue: the reply alone held against the context alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from support.tiny_checkpoints import SCALES, changed, network

from empeval import Item, Message, Response, Sample, UsageError
from empeval_empathy.checkpoints import load_checkpoint
from empeval_empathy.judge import Judge
from empeval_empathy.scorers import MVC, STM, Baseline
from empeval_empathy.views import Dialogue

TOPIC = {"layers": [0, 1], "width": 6}
RELEVANCE = [scale["name"] for scale in SCALES].index("relevance")
OVERALL = {
    "chosen": "ratings + 2 log P(relevant)",
    "weights": {"ratings": 1.0},
    "means": {"ratings": 0.1},
    "deviations": {"ratings": 0.5},
    "relevance": 2.0,
    "unsure": 0.2,
    "slope": 1.0,
    "thresholds": [-2.0, -1.0, 0.5, 2.0],
}
OWN = (
    (
        "My daughter starts school on Monday and I cannot sleep.",
        "Is it letting go of her that worries you, or the school?",
    ),
    (
        "The neighbours' dog bit my boy yesterday.",
        "Oh no, poor boy! Did you have to see a doctor about the bite?",
    ),
    (
        "I have finally paid off the house.",
        "No more mortgage, what a weight off your shoulders!",
    ),
    (
        "My train was cancelled again, so I missed grandma's birthday.",
        "How disappointing to miss her party over a cancelled train.",
    ),
    (
        "I found my late father's letters in the attic.",
        "It must be moving to read his words after all this time.",
    ),
    (
        "They gave the promotion to the new guy.",
        "After all your work for that company? I would be angry too.",
    ),
    (
        "We saw the northern lights from our tent!",
        "Seeing the sky glow like that while camping must be magical.",
    ),
    (
        "I failed the exam that I studied for all summer.",
        "All that studying, and then to fail it. Can you take it again?",
    ),
)


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


@pytest.fixture(scope="module", params=["shared", "cascade"])
def topical(request, encoders, tmp_path_factory):
    """A tiny checkpoint that holds replies against their contexts."""
    from transformers import AutoTokenizer

    folder = tmp_path_factory.mktemp("topical") / request.param
    model = network(encoders["bert"], request.param, "mean", topic=TOPIC, overall=OVERALL)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoders["bert"]).save_pretrained(folder)
    return folder


def by_hand(model, context, reply):
    """The cosine of two texts' rows by numpy, from the encoder's states."""
    topic = {n: w.detach().numpy() for n, w in model.topic.named_parameters()}
    vectors = []
    for ids, matrix in ((context, topic["context.weight"]), (reply, topic["reply.weight"])):
        with torch.no_grad():
            states = model.encoder(
                input_ids=torch.tensor([ids]), output_hidden_states=True
            ).hidden_states
        parts = np.split(topic["centre"], 2)
        levelled = [
            unit(states[layer][0].numpy().mean(0) - centre)
            for layer, centre in zip((0, 1), parts, strict=True)
        ]
        vectors.append(unit(matrix @ np.concatenate(levelled)))
    return float(vectors[0] @ vectors[1])


def test_empathy_is_made_with_the_cosine_of_reply_and_context(topical):
    model, tokenizer = load_checkpoint(topical)
    dialogues = [Dialogue((turn,), reply) for turn, reply in OWN]
    views = Judge(topical)._views.build(dialogues)
    judged = Judge(topical).judge(dialogues)
    sep, cls = tokenizer.sep_token_id, tokenizer.cls_token_id
    mix = model.topic.mix.tolist()
    expected, chances = [], []
    for (turn, reply), view in zip(OWN, views, strict=True):
        ids = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in (turn, reply)]
        cosine = by_hand(model, [cls, *ids[0], sep], [cls, *ids[1], sep])
        rows = Judge(topical)._views
        with torch.no_grad():
            latents = model(full=rows.tensors([view.full]), context=rows.tensors([view.context]))
        latents = latents.latents[0].numpy()
        relevance = mix[0] * latents[RELEVANCE] + mix[1] * cosine + mix[2]
        total = (latents[3] - 0.1) / 0.5 - 2.0 * np.log1p(np.exp(-(relevance - 0.2)))
        chances.append(1 / (1 + np.exp(0.2 - relevance)))
        expected.append(1 + sum(1 / (1 + np.exp(step - total)) for step in OVERALL["thresholds"]))
    assert judged.empathy == pytest.approx(expected, abs=1e-4)
    assert judged.relevance == pytest.approx(chances, abs=1e-4)
    assert np.ptp(judged.empathy) > 0.01


def test_the_cosine_changes_empathy_and_neither_mechanisms_nor_emotions(topical):
    plain = Judge(topical)
    with torch.no_grad():
        plain._model.topic.mix.copy_(torch.tensor([1.0, 0.0, 0.0]))
    dialogues = [Dialogue((turn,), reply) for turn, reply in OWN]
    with_cosine, without = Judge(topical).judge(dialogues), plain.judge(dialogues)
    assert with_cosine.mechanisms == pytest.approx(without.mechanisms, abs=1e-6)
    assert with_cosine.emotions == pytest.approx(without.emotions, abs=1e-6)
    assert np.abs(with_cosine.empathy - without.empathy).max() > 1e-3


def test_scores_do_not_depend_on_what_is_judged_beside(topical, monkeypatch):
    dialogues = [Dialogue((turn,), reply) for turn, reply in OWN]
    judge = Judge(topical)
    together = judge.judge(dialogues).empathy
    alone = [judge.judge([one]).empathy[0] for one in dialogues]
    monkeypatch.setattr(judge._encoder, "batch_tokens", 20)
    assert judge.judge(dialogues[::-1]).empathy[::-1] == pytest.approx(together, abs=1e-4)
    assert alone == pytest.approx(together, abs=1e-4)


@pytest.mark.parametrize(
    "topic",
    [{}, {"layers": [0, 1]}, {"width": 6}, {"layers": [], "width": 6}, {"layers": [0], "width": 6},
     {"layers": [1, 2], "width": 6}, {"layers": [2, 1], "width": 6}, {"layers": [-1], "width": 6},
     {"layers": ["1"], "width": 6}, {"layers": [1], "width": 2.5}, {"layers": [1], "width": 0}],
)  # fmt: skip
def test_a_topic_without_layers_or_width_is_refused(topical, tmp_path, topic):
    with pytest.raises(UsageError, match="topic"):
        load_checkpoint(changed(topical, tmp_path / "broken", topic=topic))


def test_a_topic_needs_the_scale_of_relevance(topical, tmp_path):
    lacking = [scale for scale in SCALES if scale["name"] != "relevance"]
    with pytest.raises(UsageError, match="relevance"):
        load_checkpoint(changed(topical, tmp_path / "broken", scales=lacking))


@pytest.mark.parametrize("scorer", [Baseline, STM, MVC])
def test_what_ships_puts_a_reply_above_one_to_somebody_else(scorer):
    """Eight dialogues of our own, each with its reply and with that of another one."""

    def sample(turn, reply, number):
        item = Item(str(number), (Message("user", turn),), str(number))
        return Sample(item, Response(str(number), reply, "ok"))

    own = [sample(turn, reply, n) for n, (turn, reply) in enumerate(OWN)]
    others = [
        sample(turn, OWN[(n + shift) % len(OWN)][1], f"{n}-{shift}")
        for shift in (1, 3)
        for n, (turn, _) in enumerate(OWN)
    ]
    scores = scorer().score([*own, *others])
    assert all(score.status == "ok" for score in scores)
    for name in ("empathy", "relevance"):
        values = np.array([score.values[name] for score in scores])
        assert ((values[:8].tolist() * 2) > values[8:]).sum() >= 14
