from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.eqbench import (
    NAMES,
    REFERENCE,
    answer,
    item,
    metrics_of,
    revised_answer,
    score_one,
)

from empeval import Item, Message, Response, Sample, Score, Scored, UsageError
from empeval_tasks.eqbench.scorer import EQBenchScorer
from empeval_tasks.eqbench.scoring import constant_scores, item_score, random_score

OTHER = {"Calm": 1.0, "Jealous": 9.0, "Amused": 3.0, "Weary": 0.0}
ZEROS = dict.fromkeys(NAMES, 0.0)
PERFECT = answer()
OFF = answer(OTHER)
OFF_POINTS = item_score(OTHER, REFERENCE)
BOLD = "\n".join(f"**{name}:** {score:g}" for name, score in REFERENCE.items())


def test_an_answer_like_the_reference_gets_full_points_by_every_convention() -> None:
    score = score_one(PERFECT)
    assert score.status == "ok"
    assert score.values == {"first_pass": 10, "lm_eval": 10, "strict": 10, "clamped": 0}
    assert score.labels == {"form": "plain"}


@pytest.mark.parametrize(
    ("text", "response_status", "reason", "status"),
    [
        ("", "empty", "empty", "unparsed"),
        (" \n", "ok", "empty", "unparsed"),
        (answer(ZEROS), "ok", "all_zero", "unparsed"),
        (BOLD, "ok", "format", "unparsed"),
        (PERFECT + "\nConfidence: 8", "ok", "format", "unparsed"),
        (PERFECT.lower(), "truncated", "format", "unparsed"),
        ("\n".join(f"{n}: <score>" for n in NAMES), "ok", "placeholders", "unparsed"),
        ("\n".join(f"**{n}:** [score]" for n in NAMES), "truncated", "placeholders", "unparsed"),
        ("I'm sorry, but I can't rate feelings.", "ok", "refusal", "refused"),
        ("As an AI language model I have none.", "truncated", "refusal", "refused"),
        ("Das kann ich leider nicht. Als KI fühle ich nichts.", "ok", "refusal", "refused"),
        ("Happy: 4\nSad: 3", "ok", "wrong_emotions", "unparsed"),
        (PERFECT.replace("Weary", "Tired"), "truncated", "wrong_emotions", "unparsed"),
        ("Calm: 4\nJealous: 5\nAmus", "truncated", "truncated", "truncated"),
        ("Ada is a bit of everything", "truncated", "truncated", "truncated"),
        ("Calm: 4\nJealous: 5", "ok", "missing_scores", "unparsed"),
        (PERFECT.replace("7", "7-8").replace(": 2", ":2"), "ok", "missing_scores", "unparsed"),
        ("Ada is a bit of everything", "ok", "missing_scores", "unparsed"),
        ("The answer is: 10", "ok", "missing_scores", "unparsed"),
        ("", "truncated", "truncated", "truncated"),
        ("", "missing", "missing", "error"),
        (PERFECT, "error", "error", "error"),
    ],
)
def test_every_answer_that_is_not_parsed_has_a_reason(
    text: str, response_status: str, reason: str, status: str
) -> None:
    score = score_one(text, response_status)
    assert (score.labels["reason"], score.status) == (reason, status)
    assert score.note
    assert "first_pass" not in score.values


def test_a_cut_answer_that_is_parsed_counts() -> None:
    assert score_one(PERFECT + "\nBecause", "truncated").status == "ok"


def test_a_revision_cut_short_is_called_truncated() -> None:
    text = answer(REFERENCE, "First pass scores:") + "\nCritique: hm"
    score = score_one(text, "truncated", form="revise")
    assert (score.status, score.labels["reason"]) == ("truncated", "truncated")
    assert score.values["strict"] == 10


def test_a_refusing_phrase_beside_scores_is_no_refusal() -> None:
    assert score_one("As an AI I can't rate this well.\n" + PERFECT).status == "ok"


def test_what_only_the_tolerant_parser_reads_has_its_value_and_no_official_one() -> None:
    assert score_one(BOLD).values == {"strict": 10, "clamped": 0}


def test_what_even_the_tolerant_parser_does_not_read_has_a_reason_of_its_own() -> None:
    score = score_one(PERFECT.replace("7", "7-8"))
    assert score.status == "ok"
    assert score.labels["strict_reason"] == "missing_scores"
    assert "strict" not in score.values


def test_a_revision_gives_both_passes() -> None:
    score = score_one(revised_answer(OTHER, REFERENCE))
    assert score.labels["form"] == "revise"
    assert score.values["first_pass"] == pytest.approx(OFF_POINTS)
    assert score.values["revised"] == score.values["strict"] == score.values["lm_eval"] == 10


def test_a_revision_is_scored_when_only_its_second_pass_is_parsed() -> None:
    text = revised_answer(OTHER, REFERENCE).replace("Calm: 1", "Calm: x")
    score = score_one(text)
    assert score.status == "ok"
    assert set(score.values) >= {"revised"}
    assert "first_pass" not in score.values


def test_german_answers_are_read_by_the_german_parser() -> None:
    text = PERFECT.replace(": ", ":")
    assert score_one(text, language="de").status == "ok"
    assert score_one(text, language="en").labels["reason"] == "format"


def test_an_item_of_another_task_is_an_error_that_names_the_tasks() -> None:
    stranger = Item(id="x", messages=(Message("user", "Hi"),), cluster="x")
    with pytest.raises(UsageError, match=r"'x'.*eqbench-mini"):
        EQBenchScorer().score([Sample(stranger, Response("x", "Hi"))])


@settings(max_examples=300)
@given(
    st.one_of(
        st.text(max_size=200),
        st.lists(st.sampled_from([*NAMES, ": ", "5", "99", "-", "\n", "<x>", "a"])).map("".join),
    ),
    st.sampled_from(["ok", "empty", "truncated", "missing", "error"]),
    st.sampled_from(["en", "de"]),
    st.sampled_from(["plain", "revise"]),
)
def test_any_answer_gets_a_finite_score_or_a_reason(
    text: str, status: str, language: str, form: str
) -> None:
    score = score_one(text, status, language=language, form=form)
    assert all(math.isfinite(x) for x in score.values.values())
    assert (score.status == "ok") == ("reason" not in score.labels)
    assert (score.status == "ok") == bool({"first_pass", "revised"} & set(score.values))
    assert ("strict" in score.values) != ("strict_reason" in score.labels)


def test_emoji_and_right_to_left_text_go_through() -> None:
    assert score_one("😀 שלום\n" + PERFECT + "\n\u202eمرحبا").status == "ok"


def test_the_conventions_differ_on_what_they_do_with_unparsed_answers() -> None:
    metrics = metrics_of([PERFECT, OFF, BOLD, "no idea"])
    official, lm_eval, strict = (metrics[f"eqbench_{name}"] for name in ("v2", "lm_eval", "strict"))
    assert official.value == pytest.approx(10 * (10 + OFF_POINTS) / 2)
    assert (official.n, official.n_failed) == (2, 2)
    assert lm_eval.value == pytest.approx(10 * (10 + OFF_POINTS) / 4)
    assert (lm_eval.n, lm_eval.n_failed) == (4, 2)
    assert strict.value == pytest.approx(10 * (20 + OFF_POINTS) / 4)
    assert (strict.n, strict.n_failed) == (4, 1)
    assert metrics["parseable"].value == 50


def test_zeros_only_count_for_lm_eval_and_not_for_the_official_score() -> None:
    metrics = metrics_of([PERFECT] * 9 + [answer(ZEROS)])
    assert metrics["eqbench_v2"].value == 100
    expected = 10 * (90 + item_score(ZEROS, REFERENCE)) / 10
    assert metrics["eqbench_lm_eval"].value == pytest.approx(expected)
    assert metrics["unparsed_all_zero"].value == pytest.approx(10)


def test_reasons_are_counted_where_they_occur_and_only_there() -> None:
    metrics = metrics_of([PERFECT, PERFECT, BOLD, "", "Happy: 4\nSad: 3"])
    reasons = {name for name in metrics if name.startswith("unparsed_")}
    assert reasons == {"unparsed_format", "unparsed_empty", "unparsed_wrong_emotions"}
    empty = metrics["unparsed_empty"]
    assert (empty.value, empty.unit, empty.higher_is_better) == (20, "percent", False)
    assert "1 of 5" in (empty.note or "")


@pytest.mark.parametrize(("parsed", "failed"), [(5, False), (4, True)])
def test_a_run_with_too_few_parsed_answers_is_called_failed(parsed: int, failed: bool) -> None:
    metrics = metrics_of([PERFECT] * parsed + ["no idea"] * (6 - parsed))
    assert ("failed" in (metrics["eqbench_v2"].note or "")) == failed
    assert metrics["eqbench_v2"].value == 100


def test_the_revised_scores_win_when_they_are_better() -> None:
    metrics = metrics_of([revised_answer(OTHER, REFERENCE)] * 3)
    assert metrics["eqbench_v2"].value == metrics["eqbench_revised"].value == 100
    assert metrics["eqbench_first_pass"].value == pytest.approx(10 * OFF_POINTS)
    assert "revised" in (metrics["eqbench_v2"].note or "")


def test_the_first_pass_wins_when_it_is_better() -> None:
    metrics = metrics_of([revised_answer(REFERENCE, OTHER)] * 3)
    assert metrics["eqbench_v2"].value == metrics["eqbench_first_pass"].value == 100
    assert "first-pass" in (metrics["eqbench_v2"].note or "")


def test_the_parseable_share_is_that_of_the_chosen_pass() -> None:
    good = revised_answer(OTHER, REFERENCE)
    metrics = metrics_of([good] * 3 + [good.replace("Calm: 1", "Cool: 1")])
    assert metrics["eqbench_v2"].n == 4
    assert metrics["parseable"].value == 100
    assert metrics["eqbench_first_pass"].n == 3


def test_equal_passes_are_reported_as_revised() -> None:
    metrics = metrics_of([revised_answer(REFERENCE, REFERENCE)])
    assert metrics["eqbench_v2"].note == "revised scores"


@pytest.mark.parametrize(("unreadable", "chosen"), [(1, 100), (2, 10 * OFF_POINTS)])
def test_better_revised_scores_lose_when_over_five_percent_of_them_are_unparsed(
    unreadable: int, chosen: float
) -> None:
    good = revised_answer(OTHER, REFERENCE)
    cut = good.replace("Revised scores:\nCalm", "Revised scores:\nCool")
    metrics = metrics_of([good] * (20 - unreadable) + [cut] * unreadable)
    assert metrics["eqbench_v2"].value == pytest.approx(chosen)


def test_plain_answers_have_no_metrics_of_passes() -> None:
    assert not {"eqbench_first_pass", "eqbench_revised"} & set(metrics_of([PERFECT]))


def test_the_trivial_rivals_stand_beside_the_score() -> None:
    metrics = metrics_of([PERFECT, "no idea"])
    best = max(constant_scores([REFERENCE], x)[0] for x in range(11))
    assert metrics["reference_constant"].value == pytest.approx(10 * best)
    assert metrics["chance"].value == pytest.approx(10 * random_score(REFERENCE))


def test_limited_scores_are_counted_in_the_note() -> None:
    wild = answer({**REFERENCE, "Calm": 30, "Weary": 50})
    metrics = metrics_of([wild, PERFECT])
    assert "2 scores in 1 answers" in (metrics["eqbench_strict"].note or "")
    assert "outside" not in (metrics_of([PERFECT])["eqbench_strict"].note or "")


def test_a_run_without_a_single_answer_has_no_official_score() -> None:
    metrics = metrics_of(["", ""], status="missing")
    assert metrics["eqbench_v2"].value is None
    assert metrics["eqbench_lm_eval"].value == 0
    assert metrics["unparsed_missing"].value == 100


@pytest.mark.parametrize(("status", "reason"), [("missing", "missing"), ("ok", "error")])
def test_samples_that_never_reached_the_scorer_are_counted_too(status: str, reason: str) -> None:
    sample = Sample(item("9"), Response("9", "", status=status))  # type: ignore[arg-type]
    metrics = EQBenchScorer().metrics([Scored(sample, Score("9", status="error"))])
    assert {m.metric: m.value for m in metrics}[f"unparsed_{reason}"] == 100


def test_no_samples_at_all_are_no_error() -> None:
    assert all(metric.value is None for metric in EQBenchScorer().metrics([]))


def test_intervals_widen_when_answers_share_a_dialogue() -> None:
    texts = [PERFECT, PERFECT, OFF, OFF, PERFECT, PERFECT]
    widths = []
    for clusters in ("abcdef", "aabbcc"):
        pairs = zip(texts, clusters, strict=True)
        samples = [
            Sample(item(str(i), cluster=cluster), Response(str(i), text))
            for i, (text, cluster) in enumerate(pairs)
        ]
        scorer = EQBenchScorer()
        metric = scorer.metrics(list(map(Scored, samples, scorer.score(samples))))[0]
        assert metric.ci_low is not None
        assert metric.ci_high is not None
        widths.append(metric.ci_high - metric.ci_low)
    assert widths[1] > 1.2 * widths[0]
