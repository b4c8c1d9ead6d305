"""The scorers emotion-head, strategy-head and eq, on a tiny base with random heads."""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
import pytest
from support.tiny_heads import make_base, make_heads

from empeval import Message, Response, Sample, Scored, UsageError
from empeval.testing import ScorerContract, fake_item, fake_sample
from empeval_heads.bundle import read_eq
from empeval_heads.labels import EMOTIONS, STRATEGIES
from empeval_heads.scorers import EQ, EmotionHead, StrategyHead

REPLIES = ("I am so sorry. How long was he with you?", "Get another one.", "That must hurt.")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return make_base(tmp_path_factory.mktemp("heads") / "base")


@pytest.fixture(scope="module")
def heads(base):
    return make_heads(base.parent / "heads", base)


class TestEmotionHead(ScorerContract):
    @pytest.fixture
    def scorer(self, heads):
        return EmotionHead(str(heads))


class TestStrategyHead(ScorerContract):
    @pytest.fixture
    def scorer(self, heads):
        return StrategyHead(str(heads))


class TestEQ(ScorerContract):
    @pytest.fixture
    def scorer(self, heads):
        return EQ(str(heads))


def sample(reply, *turns):
    messages = [Message("system", "Be kind.")]
    messages += [Message("assistant" if n % 2 else "user", t) for n, t in enumerate(turns)]
    item = fake_item(messages=tuple(messages))
    return Sample(item, Response(item.id, reply))


def test_emotions_are_28_probabilities_with_the_likeliest_named(heads):
    (score,) = EmotionHead(str(heads)).score([fake_sample(REPLIES[0])])
    assert len(score.values) == 28
    names = {value: name for name, value in score.values.items()}
    top = [names[v] for v in sorted(names, reverse=True)[:3]]
    assert score.labels == {"emotion": top[0], "emotions": ", ".join(top)}
    assert all(0 < v < 1 for v in score.values.values())


def test_strategies_are_8_probabilities_that_sum_to_one(heads):
    for score in StrategyHead(str(heads)).score([fake_sample(r) for r in REPLIES]):
        assert len(score.values) == 8
        assert sum(score.values.values()) == pytest.approx(1, abs=1e-4)
        assert score.labels["strategy"] in STRATEGIES


def test_the_emotion_is_of_the_reply_alone_and_the_strategy_of_the_reply_in_its_place(heads):
    one, other = sample(REPLIES[1], "My dog died."), sample(REPLIES[1], "I won a prize!")
    emotion, strategy = EmotionHead(str(heads)), StrategyHead(str(heads))
    assert emotion.score([one])[0].values == emotion.score([other])[0].values
    assert strategy.score([one])[0].values != strategy.score([other])[0].values


def test_eq_is_the_published_formula_of_what_the_heads_say(heads):
    samples = [sample(reply, "My dog died.") for reply in REPLIES]
    emotions = EmotionHead(str(heads)).score(samples)
    said = EmotionHead(str(heads)).score([sample("My dog died.", "Hello.")])[0]
    strategies = StrategyHead(str(heads)).score(samples)
    facts = read_eq(heads)
    said_share = np.array([said.values[n] for n in EMOTIONS])
    said_share /= said_share.sum()
    for score, emotion, strategy in zip(
        EQ(str(heads)).score(samples), emotions, strategies, strict=True
    ):
        total = sum(emotion.values.values())
        mass = (emotion.values["caring"] + emotion.values["sadness"]) / total
        share = np.array([emotion.values[n] for n in EMOTIONS]) / total
        expected = sum(
            strategy.values[n.lower().replace(" ", "_").replace("-", "_")] * facts.ratings[n][0]
            for n in STRATEGIES
        )
        assert score.values["empathy_mass"] == pytest.approx(mass, abs=1e-4)
        assert score.values["strategy_alignment"] == pytest.approx(expected, abs=1e-4)
        overlap = np.sqrt(said_share * share).sum()
        assert score.values["emotion_alignment"] == pytest.approx(overlap, abs=1e-4)
        assert score.values["alignment"] == score.values["strategy_alignment"]
        assert score.values["eq"] == pytest.approx(mass + 0.3 * expected, abs=1e-4)


@pytest.mark.parametrize(("turns", "column"), [(1, 0), (3, 1), (5, 2)])
def test_a_strategy_is_rated_by_the_phase_of_the_talk(base, tmp_path, turns, column):
    ratings = {name: tuple(float(c == column) for c in range(3)) for name in STRATEGIES}
    heads = make_heads(tmp_path / "heads", base, ratings=ratings)
    score = EQ(str(heads)).score([sample("Oh no.", *["A turn."] * turns)])[0]
    assert score.values["strategy_alignment"] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("signal", ["none", "emotion", "strategy", "both"])
def test_alignment_is_the_signal_that_eq_json_names(base, tmp_path, signal):
    heads = make_heads(tmp_path / "heads", base, alignment=signal)
    values = EQ(str(heads)).score([sample("Oh no.", "My dog died.")])[0].values
    emotion, strategy = values["emotion_alignment"], values["strategy_alignment"]
    expected = {"none": 0, "emotion": emotion, "strategy": strategy}
    wanted = expected.get(signal, (emotion + strategy) / 2)
    assert values["alignment"] == pytest.approx(wanted, abs=2e-5)
    assert values["eq"] == pytest.approx(values["empathy_mass"] + 0.3 * wanted, abs=2e-5)


def test_without_a_turn_to_answer_there_is_no_overlap(heads):
    item = fake_item(messages=(Message("system", "Say something kind."),))
    (score,) = EQ(str(heads)).score([Sample(item, Response(item.id, "Hello, dear."))])
    assert score.status == "ok"
    assert score.values["emotion_alignment"] == 0


def test_long_replies_keep_their_beginning_and_long_turns_their_end(heads):
    scorer = StrategyHead(str(heads))
    long = sample("Oh no. " * 200, "word " * 500 + "My dog died.")
    assert scorer.score([long])[0].status == "ok"
    short = sample("Oh no.", "word " * 500 + "My dog died.")
    shorter = sample("Oh no.", "word " * 400 + "My dog died.")
    assert scorer.score([short])[0].values == scorer.score([shorter])[0].values


def test_heads_on_one_base_load_it_once(heads):
    from empeval_heads import base as module

    emotion, strategy = EmotionHead(str(heads)), StrategyHead(str(heads))
    emotion.score([fake_sample("Oh.")])
    strategy.score([fake_sample("Oh.")])
    assert len(module._loaded) == 1


def test_heads_of_another_width_than_their_base_are_refused(base, tmp_path):
    heads = make_heads(tmp_path / "heads", base, width=48)
    with pytest.raises(UsageError, match=r"width 48, but its base .* gives 32"):
        EmotionHead(str(heads)).score([fake_sample("Oh.")])


def test_heads_of_another_base_of_the_same_width_are_refused(tmp_path):
    base = make_base(tmp_path / "base")
    heads = make_heads(tmp_path / "heads", base)
    shutil.rmtree(base)
    make_base(base, seed=1)
    with pytest.raises(UsageError, match="trained on other weights"):
        EmotionHead(str(heads)).score([fake_sample("Oh.")])


def test_a_base_that_is_gone_is_named(tmp_path):
    base = make_base(tmp_path / "base")
    heads = make_heads(tmp_path / "heads", base)
    shutil.rmtree(base)
    with pytest.raises(Exception, match="base") as caught:
        EmotionHead(str(heads)).score([fake_sample("Oh.")])
    assert type(caught.value).__module__ == "empeval.errors"


def test_heads_and_eq_json_of_different_bases_are_refused(base, tmp_path):
    heads = make_heads(tmp_path / "heads", base, base="packaged:smollm2-135m-instruct")
    with pytest.raises(UsageError, match="name different bases"):
        EQ(str(heads))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"empathy_classes": ("caring", "kindness")}, "empathy_classes has kindness"),
        ({"empathy_classes": ()}, "empathy_classes is empty"),
        ({"phases": (4, 2)}, "two rising numbers"),
        ({"ratings": {"Question": (0.1, 0.2, 0.3)}}, "ratings must have an entry for each"),
        ({"ratings": dict.fromkeys(STRATEGIES, (0.1, 0.2, 1.3))}, "from 0 to 1"),
        ({"alignment": "kindness"}, "Invalid enum value 'kindness'"),
    ],
)
def test_an_eq_json_that_makes_no_sense_is_refused(base, tmp_path, changes, message):
    heads = make_heads(tmp_path / "heads", base, **changes)
    with pytest.raises(UsageError, match=message):
        EQ(str(heads))


def test_folders_that_are_no_heads_are_refused(tmp_path, heads):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="has no emotion head"):
        EmotionHead(str(tmp_path / "empty"))
    with pytest.raises(UsageError, match=r"has no eq\.json"):
        EQ(str(tmp_path / "empty"))
    with pytest.raises(UsageError, match="takes a folder"):
        EQ(str(heads / "emotion-head.safetensors"))
    (tmp_path / "head.txt").write_text("")
    with pytest.raises(UsageError, match="no head"):
        EmotionHead(str(tmp_path / "head.txt"))


def test_a_single_file_is_a_head_and_the_other_kind_is_refused(heads):
    sample = fake_sample("Oh no.")
    folder = EmotionHead(str(heads)).score([sample])
    for name in ("emotion-head.safetensors", "emotion-head.pt"):
        assert EmotionHead(str(heads / name)).score([sample]) == folder
    with pytest.raises(UsageError, match="a head for emotion, not for strategy"):
        StrategyHead(str(heads / "emotion-head.pt"))


def test_the_fingerprint_changes_with_what_decides_the_score(base, heads, tmp_path):
    same = shutil.copytree(heads, tmp_path / "same")
    other = make_heads(tmp_path / "other", base, empathy_classes=("caring",))
    assert EQ(str(same)).fingerprint() == EQ(str(heads)).fingerprint()
    assert EQ(str(other)).fingerprint() != EQ(str(heads)).fingerprint()
    assert EmotionHead(str(other)).fingerprint() == EmotionHead(str(heads)).fingerprint()


def test_cards_are_json(heads):
    for scorer in (EmotionHead, StrategyHead, EQ):
        assert msgspec.json.decode(msgspec.json.encode(scorer.card))["version"] == "3"


def with_reference(name, reply, reference):
    item = fake_item(name, reference=reference)
    return Sample(item, Response(item.id, reply))


def test_the_human_replys_score_stands_beside_the_replys(heads):
    scorer = EQ(str(heads))
    mine = with_reference("a", REPLIES[1], REPLIES[0])
    alone = with_reference("b", REPLIES[2], None)
    theirs = with_reference("c", REPLIES[0], REPLIES[0])
    samples = [mine, alone, theirs]
    first, second, third = scores = scorer.score(samples)
    (expected,) = scorer.score([with_reference("a", REPLIES[0], None)])
    assert first.values["human"] == pytest.approx(expected.values["eq"], abs=2e-5)
    assert "human" not in second.values
    assert third.values["human"] == third.values["eq"]
    metrics = {m.metric: m for m in scorer.metrics(list(map(Scored, samples, scores)))}
    assert metrics["human"].n == metrics["eq_minus_human"].n == 2
    assert metrics["eq"].n == 3
    difference = np.mean([s.values["eq"] - s.values["human"] for s in (first, third)])
    assert metrics["eq_minus_human"].value == pytest.approx(difference, abs=1e-6)


def test_without_human_replies_nothing_is_said_of_them(heads):
    scorer = EQ(str(heads))
    sample = with_reference("a", REPLIES[1], None)
    scored = [Scored(sample, score) for score in scorer.score([sample])]
    assert {"human", "eq_minus_human"}.isdisjoint(m.metric for m in scorer.metrics(scored))


def test_a_run_shows_that_the_score_likes_formulas(heads, cli):
    assert "above what people write" in EQ.card.summary
    outcome = cli(
        "run", "--model", "human:", "--tasks", "ed-mini", "--scorers", f"eq:{heads}", "--limit", "1"
    )
    assert outcome.code == 0, outcome.err
    assert "a model that repeats formulas of sympathy scores above people" in outcome.out
