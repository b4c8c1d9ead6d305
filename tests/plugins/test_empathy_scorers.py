"""The scorers baseline, stm and mvc: values, labels, statuses and figures."""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
import pytest
from support.command import python

from empeval import Item, Message, Response, Sample, Scored, UsageError
from empeval.testing import ScorerContract
from empeval_empathy.emotions import MECHANISMS
from empeval_empathy.scorers import MVC, STM, Baseline

SCORERS = {"baseline": Baseline, "stm": STM, "mvc": MVC}
SORRY = "I am so sorry to hear that."
LOST = ("I lost my job and I feel so sad about it.",)


def sample(
    reply, context=LOST, reference=None, *, number=0, emotion="sad", status=None, system=None
):
    turns = [Message("user" if i % 2 == 0 else "assistant", t) for i, t in enumerate(context)]
    if system is not None:
        turns.insert(0, Message("system", system))
    target = {} if emotion is None else {"emotion": emotion}
    item = Item(str(number), tuple(turns), str(number), reference=reference, target=target)
    return Sample(item, Response(str(number), reply, status or ("ok" if reply else "empty")))


@pytest.fixture(scope="session")
def scorers(checkpoints):
    kinds = {**SCORERS, "roberta": MVC}
    return {name: kind(str(checkpoints[name])) for name, kind in kinds.items()}


@pytest.fixture(params=SCORERS)
def scorer(request, scorers):
    return scorers[request.param]


def figures(scorer, samples):
    scored = [Scored(s, c) for s, c in zip(samples, scorer.score(samples), strict=True)]
    return {figure.metric: figure for figure in scorer.metrics(scored)}


class TestBaseline(ScorerContract):
    @pytest.fixture
    def scorer(self, scorers):
        return scorers["baseline"]


class TestSTM(ScorerContract):
    @pytest.fixture
    def scorer(self, scorers):
        return scorers["stm"]


class TestMVC(ScorerContract):
    @pytest.fixture
    def scorer(self, scorers):
        return scorers["mvc"]


class TestMVCOnRoberta(ScorerContract):
    @pytest.fixture
    def scorer(self, scorers):
        return scorers["roberta"]


def test_values_and_labels_are_those_of_the_card(scorer):
    (got,) = scorer.score([sample(SORRY, reference="Oh no! Why?")])
    assert got.status == "ok"
    assert got.note is None
    assert set(got.values) == {
        "empathy", "human", "emotion_confidence", "target_emotion", *MECHANISMS,
    }  # fmt: skip
    # these checkpoints hold no reply against its context
    assert {value.name for value in scorer.card.values} == {*got.values, "relevance"}
    assert tuple(got.labels) == scorer.card.labels


def test_the_mechanisms_are_levels_that_hang_on_the_reply(scorer):
    replies = [SORRY, "Why?", "Oh no! What will you do now?", "I am happy for you.", "Really?"]
    got = scorer.score([sample(reply, number=n) for n, reply in enumerate(replies)])
    levels = np.array([[score.values[name] for name in MECHANISMS] for score in got])
    assert ((levels >= 0) & (levels <= 2)).all()
    assert (np.ptp(levels, axis=0) > 0.01).all()
    samples = [sample(reply, number=n) for n, reply in enumerate(replies)]
    for column, name in enumerate(MECHANISMS):
        figure = figures(scorer, samples)[name]
        assert figure.value == pytest.approx(levels[:, column].mean())
        assert figure.n == len(replies)
        assert figure.unit == "level 0-2"


@pytest.mark.parametrize("name", SCORERS)
def test_an_earlier_checkpoint_has_empathy_and_no_mechanisms(scorers, earlier, name):
    samples = [sample(SORRY, reference="Oh no! Why?"), sample("", number=1)]
    scorer = SCORERS[name](str(earlier[name]))
    got, without = scorer.score(samples)
    now = scorers[name].score(samples)[0]
    assert set(now.values) - set(got.values) == set(MECHANISMS)
    assert 1 < got.values["empathy"] < 5
    assert got.values["empathy"] != got.values["human"]
    assert without.status == "unparsed" or without.status == "empty"
    shown = figures(scorer, samples)
    assert not set(shown) & set(MECHANISMS)
    assert set(figures(scorers[name], samples)) == {*shown, *MECHANISMS}


def test_the_same_words_as_the_human_get_the_same_score(scorer):
    reply, human = "Oh no! Why? ", "Oh no! Why?"
    (got,) = scorer.score([sample(reply, reference=human)])
    assert got.values["empathy"] == got.values["human"]
    (alone,) = scorer.score([sample(human)])
    assert alone.values["empathy"] == got.values["human"]
    assert figures(scorer, [sample(reply, reference=human)])["empathy_minus_human"].value == 0


def test_the_system_prompt_and_blank_turns_are_no_part_of_the_context(scorer):
    plain, told = scorer.score(
        [sample(SORRY), sample(SORRY, (*LOST, " \n"), number=1, system="You are a parrot.")]
    )
    assert plain.values == told.values


@pytest.mark.parametrize(
    ("reply", "context", "note"),
    [
        ("", LOST, "empty answer"),
        (" \n", LOST, "empty answer"),
        (SORRY, (), "no context to judge the reply by"),
        (SORRY, (" ",), "no context to judge the reply by"),
        ("😢😢❤️", LOST, "the reply does not look English"),
        ("Das tut mir wirklich leid.", LOST, "the reply does not look English"),
        ("听到这个消息我很难过。", LOST, "the reply does not look English"),
        ("أنا آسف لسماع ذلك.", LOST, "the reply does not look English"),
        (SORRY, ("Ich habe gestern meine Stelle verloren.",), "the context does not look English"),
        (SORRY, ("昨天我失去了工作。",), "the context does not look English"),
        (SORRY, ("😢",), "the context does not look English"),
        (
            "Zyx wvut srqp onm lkji.",
            LOST,
            "most of the reply is outside the scorer's vocabulary",
        ),
    ],
)
def test_what_cannot_be_judged_has_a_status_and_a_reason(scorer, reply, context, note):
    (got,) = scorer.score([sample(reply, context, "Oh no! Why?")])
    assert (got.status, got.values, got.labels, got.note) == ("unparsed", {}, {}, note)


def test_an_answer_that_never_came_is_an_error(scorer):
    (got,) = scorer.score([sample("", status="missing")])
    assert (got.status, got.note) == ("error", "answer missing")


def test_ten_thousand_words_are_judged_by_the_reply_and_the_latest_turns(scorer):
    long = "I am so happy about my job. " * 1430
    short, told = scorer.score([sample(SORRY), sample(SORRY, (long, SORRY, *LOST), number=1)])
    assert short.note is None
    assert told.status == "ok"
    assert told.note.startswith("the context's latest ")
    assert told.note.endswith(" tokens were read")
    (other,) = scorer.score([sample(SORRY, ("Why? " * 9000, long, SORRY, *LOST), number=1)])
    assert other.values == pytest.approx(told.values, abs=2e-5)


def test_a_reply_that_is_too_long_is_judged_by_its_beginning(scorer):
    (got,) = scorer.score([sample(SORRY * 1000, status="truncated")])
    assert got.status == "ok"
    assert got.note.startswith("reply cut at the token limit; the reply's first ")


def test_a_human_reply_that_cannot_be_judged_has_no_value(scorer):
    samples = [
        sample(SORRY, reference=reference, number=number)
        for number, reference in enumerate([None, " ", ":)", "Tut mir leid.", "Zyx wvut srqp."])
    ]
    assert all("human" not in got.values for got in scorer.score(samples))
    assert "human" not in figures(scorer, samples)


@pytest.mark.parametrize("emotion", [None, "hungry", 3])
def test_without_one_of_the_emotions_there_is_no_probability_of_it(scorer, emotion):
    (got,) = scorer.score([sample(SORRY, emotion=emotion)])
    assert "target_emotion" not in got.values
    assert "emotion_accuracy" not in figures(scorer, [sample(SORRY, emotion=emotion)])


def test_emotions_that_are_none_of_the_32_are_counted_aloud(scorer, caplog):
    samples = [sample(SORRY, emotion=e, number=n) for n, e in enumerate(("sad", "hungry", None))]
    got = figures(scorer, samples)
    said = "the emotion stated of 1 of 2 items is none of EmpatheticDialogues' 32"
    assert said in got["target_emotion"].note
    assert "(hungry)" in got["target_emotion"].note
    (told,) = caplog.records
    assert told.levelname == "WARNING"
    assert said in told.getMessage()


def test_figures_stand_beside_the_human_replies_to_the_same_items(scorer):
    samples = [
        sample(SORRY, reference="Oh no! Why?", number=0),
        sample("Why?", reference="I am so sorry.", number=1),
        sample("Oh no!", number=2),
        sample("", reference="I am so happy about it.", number=3),
        sample("", number=4, emotion=None),
    ]
    got = figures(scorer, samples)
    assert list(got) == [
        "empathy",
        "human",
        "empathy_minus_human",
        *MECHANISMS,
        "emotion_confidence",
        "target_emotion",
        "emotion_accuracy",
    ]
    counts = {name: (figure.n, figure.n_failed) for name, figure in got.items()}
    assert counts["empathy"] == counts["emotion_confidence"] == (3, 2)
    assert all(counts[name] == (3, 2) for name in MECHANISMS)
    assert counts["human"] == counts["empathy_minus_human"] == (2, 1)
    assert counts["target_emotion"] == counts["emotion_accuracy"] == (3, 1)
    values = [score.values for score in scorer.score(samples)[:2]]
    assert got["human"].value == pytest.approx(np.mean([v["human"] for v in values]))
    assert got["empathy_minus_human"].value == pytest.approx(
        np.mean([v["empathy"] - v["human"] for v in values])
    )
    assert got["empathy_minus_human"].ci_low <= got["empathy_minus_human"].value
    assert got["emotion_accuracy"].unit == "percent"


@pytest.mark.parametrize(("turn", "said"), [(0, False), (1, False), (2, True)])
def test_beside_human_replies_in_the_models_own_dialogue_stands_that_they_are_not_of_it(
    scorer, turn, said
):
    given = sample(SORRY, reference="Oh no! Why?")
    given = Sample(msgspec.structs.replace(given.item, turn=turn), given.response)
    got = figures(scorer, [given])
    for name in ("human", "empathy_minus_human"):
        assert ("not what the model had" in got[name].note) is said
    same = Sample(msgspec.structs.replace(given.item, reference=SORRY), given.response)
    assert "not what" not in figures(scorer, [same])["human"].note


def test_numbers_that_are_not_finite_are_an_error_and_no_score(checkpoints, tmp_path):
    from safetensors.numpy import load_file, save_file

    folder = shutil.copytree(checkpoints["mvc"], tmp_path / "nan")
    weights = load_file(folder / "model.safetensors")
    weights["scales.latents.bias"][:] = np.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (got,) = MVC(str(folder)).score([sample(SORRY)])
    assert (got.status, got.values) == ("error", {})
    assert got.note == "the checkpoint gave no finite number"


def test_nothing_to_judge_loads_nothing(checkpoints):
    scorer = MVC(str(checkpoints["mvc"]))
    assert scorer.score([]) == []
    assert [s.status for s in scorer.score([sample("😢"), sample("", number=1)])] == [
        "unparsed"
    ] * 2
    assert scorer._judge is None


def test_an_installation_without_checkpoints_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("empeval_empathy.scorers.BUNDLED", tmp_path)
    with pytest.raises(UsageError, match=r"no checkpoint for mvc .*--scorers mvc:FOLDER"):
        MVC().score([sample(SORRY)])


def test_the_fingerprint_tells_checkpoints_apart(scorers):
    prints = {scorer.fingerprint() for scorer in scorers.values()}
    assert len(prints) == 3  # baseline and stm were made alike


def test_making_a_scorer_imports_nothing_heavy(checkpoints, tmp_path):
    code = (
        "import sys\n"
        "from empeval_empathy.scorers import MVC\n"
        "MVC(sys.argv[1]).fingerprint()\n"
        "MVC.card\n"
        "print({'torch', 'transformers', 'peft'} & set(sys.modules))"
    )
    assert python(code, str(checkpoints["mvc"]), folder=tmp_path).out == "set()\n"
