"""Surface statistics against hand counts, and on any text whatever."""

from __future__ import annotations

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empeval import Item, Response, Sample, Scored
from empeval_text.surface import Surface, distinct
from empeval_text.words import sentences, words


def sample(text, *, number=0, cluster=None, status="ok"):
    item = Item(str(number), (), cluster=cluster or str(number))
    return Sample(item, Response(str(number), text, status=status))


def score(text, **more):
    return Surface().score([sample(text, **more)])[0]


def run(texts, clusters=None):
    """The run's metrics by name."""
    clusters = clusters or [str(number) for number in range(len(texts))]
    samples = [
        sample(text, number=n, cluster=cluster)
        for n, (text, cluster) in enumerate(zip(texts, clusters, strict=True))
    ]
    scorer = Surface()
    scores = scorer.score(samples)
    scored = [Scored(s, c) for s, c in zip(samples, scores, strict=True)]
    return {metric.metric: metric for metric in scorer.metrics(scored)}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, world!", ["Hello", "world"]),
        ("don't — it’s well-being", ["don't", "it’s", "well-being"]),
        ("'quoted' **bold** snake_case", ["quoted", "bold", "snake", "case"]),
        ("你好吗 カナ", ["你", "好", "吗", "カ", "ナ"]),
        ("नमस्ते दुनिया", ["नमस्ते", "दुनिया"]),
        ("שָׁלוֹם עולם", ["שָׁלוֹם", "עולם"]),
        ("مرحبا بك", ["مرحبا", "بك"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("한국어 문장", ["한국어", "문장"]),
        ("cafe\u0301 naïve", ["cafe\u0301", "naïve"]),
        ("😢 ❤️ 👩‍👧", []),
    ],
)
def test_words_of_many_scripts(text, expected):
    assert words(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I am sorry. What happened?", (2, 1)),
        ("Really?! No way... Tell me more", (3, 1)),
        ("It costs 3.5 at example.com", (1, 0)),
        ("one\ntwo\n\nthree", (3, 0)),
        ("你好吗？我很好。", (2, 1)),
        ("你好吗?我很好。", (2, 1)),
        ("كيف حالك؟ بخير", (2, 1)),
        ("क्या हाल है? ठीक।", (2, 1)),
        ("(Are you sure?) Yes.", (2, 1)),
        ("Sad?😢 Oh", (2, 1)),
        ("??", (0, 0)),
        ("😢", (0, 0)),
        ("", (0, 0)),
    ],
)
def test_sentences_and_questions(text, expected):
    assert sentences(text) == expected


def test_counts_and_rates_of_a_reply_match_a_hand_count():
    got = score("I'm sorry you lost your dog. How are YOU? We’re here")
    # I'm sorry you lost your dog / How are YOU / We're here
    assert got.values == {
        "words": 11,
        "sentences": 3,
        "questions": 1,
        "second_person": pytest.approx(100 * 3 / 11),
        "first_person": pytest.approx(100 * 2 / 11),
    }
    assert got.status == "ok"


def test_a_reply_without_words_has_counts_and_no_rates():
    got = score("😢")
    assert got.values == {"words": 0, "sentences": 0, "questions": 0}
    assert got.status == "ok"
    assert "no rates" in got.note


@pytest.mark.parametrize("text", ["", "  \n\t"])
def test_an_empty_reply_is_unparsed(text):
    got = score(text)
    assert (got.status, got.values, got.note) == ("unparsed", {}, "empty answer")


@pytest.mark.parametrize("status", ["missing", "error"])
def test_a_reply_that_never_came_is_an_error_and_not_a_short_reply(status):
    got = score("", status=status)
    assert (got.status, got.values) == ("error", {})
    assert status in got.note


def test_a_truncated_reply_is_counted_and_says_so():
    got = score("I am", status="truncated")
    assert got.values["words"] == 2
    assert "cut at the token limit" in got.note


def test_failed_replies_stay_out_of_every_metric():
    metrics = run(["one two", "", "three four five six"])
    assert metrics["words"].value == 3
    assert metrics["distinct_1"].n == 2
    assert {m.n_failed for m in metrics.values()} == {1}


def test_distinct_counts_pooled_ngrams_that_never_span_two_replies():
    metrics = run(["a b a", "b c"])
    assert metrics["distinct_1"].value == pytest.approx(3 / 5)
    assert metrics["distinct_2"].value == pytest.approx(3 / 3)
    assert run(["a a a", "A a"])["distinct_2"].value == pytest.approx(1 / 3)


def test_identical_counts_every_copy_but_for_case_and_spacing():
    metrics = run(["I am sorry.", " i  am SORRY. ", "I am glad.", "Oh"])
    assert metrics["identical"].value == 50
    assert 0 < metrics["identical"].ci_low < 50 < metrics["identical"].ci_high < 100
    assert run(["a", "b"])["identical"].value == 0


def test_the_one_pass_jackknife_equals_leaving_out_each_cluster_in_turn():
    texts = ["a b c a", "a d", "e f a b", "c c", "g h i", "a b c d e"]
    clusters = ["x", "x", "y", "z", "z", "w"]
    grams = [[(token,) for token in text.split()] for text in texts]

    def ratio(keep):
        pooled = [g for gram, c in zip(grams, clusters, strict=True) if c in keep for g in gram]
        return len(set(pooled)) / len(pooled)

    names = sorted(set(clusters))
    left = [ratio(set(names) - {name}) for name in names]
    mean = sum(left) / len(left)
    error = math.sqrt((len(names) - 1) / len(names) * sum((v - mean) ** 2 for v in left))
    value, low, high = distinct(grams, clusters)
    assert value == pytest.approx(ratio(set(names)))
    half = 3.182446305284263 * error  # 97.5 % quantile of Student's t with 3 degrees of freedom
    assert low == pytest.approx(max(0, value - half))
    assert high == pytest.approx(min(1, value + half))


def test_one_cluster_gives_no_interval_and_no_text_gives_no_metric():
    metrics = run(["a b", "c d"], clusters=["x", "x"])
    assert metrics["distinct_1"].value == 1
    assert metrics["distinct_1"].ci_low is None
    assert metrics["identical"].ci_low is None
    empty = run(["", ""])
    assert {m.value for m in empty.values()} == {None}
    assert {m.n for m in empty.values()} == {0}


@pytest.mark.parametrize(
    "piece", ["a", ".", "a'", "?a", "\u0301", "a\u0301", "中", "?)", "-a", "\n", "。"]
)
@pytest.mark.parametrize("end", ["", "x"])
def test_a_hundred_thousand_characters_take_a_moment(piece, end):
    text = piece * (100_000 // len(piece)) + end
    started = time.perf_counter()
    score(text)
    assert time.perf_counter() - started < 2


def test_a_target_is_refused():
    with pytest.raises(Exception, match="takes no target"):
        Surface("x")


@given(st.text())
def test_any_text_gives_counts_that_fit_together(text):
    got = score(text)
    if got.status == "unparsed":
        assert not text.strip()
        return
    values = got.values
    assert 0 <= values["questions"] <= values["sentences"] <= values["words"]
    for name in ("second_person", "first_person"):
        assert (name in values) == (values["words"] > 0)
        assert 0 <= values.get(name, 0) <= 100


@given(st.lists(st.text(alphabet="ab A.?'\n你😢", max_size=20), min_size=1, max_size=8), st.data())
@settings(deadline=None)
def test_metrics_of_a_run_do_not_depend_on_the_order_of_its_replies(texts, data):
    clusters = data.draw(st.lists(st.sampled_from("xyz"), min_size=len(texts), max_size=len(texts)))
    order = data.draw(st.permutations(range(len(texts))))
    here = run(texts, clusters)
    there = run([texts[i] for i in order], [clusters[i] for i in order])
    for name, metric in here.items():
        other = there[name]
        for field in ("value", "ci_low", "ci_high", "n", "n_failed"):
            a, b = getattr(metric, field), getattr(other, field)
            assert (a is None) == (b is None)
            assert a is None or a == pytest.approx(b, abs=1e-9)
    for name in ("distinct_1", "distinct_2"):
        value = here[name].value
        assert value is None or 0 < value <= 1
        if here[name].ci_low is not None:
            assert 0 <= here[name].ci_low <= value <= here[name].ci_high <= 1
