"""Questions with options: how they are put, how answers are read, what the metrics say."""

from __future__ import annotations

import pytest

from empeval import DataError, Item, Message, Response, Sample, Scored, UsageError
from empeval_tasks.multiple_choice.parsing import read_choices
from empeval_tasks.multiple_choice.questions import (
    Choice,
    Question,
    choice_item,
    choices_of,
    spread,
)
from empeval_tasks.multiple_choice.scorer import ChoicesScorer

OPTIONS = ("Ring the vet", "A walk with the dog", "Pay the bill and leave")
ONE = [Choice("answer", OPTIONS, "B")]
TWO = [
    Choice("emotion", ("Joy", "Anger & Joy"), "A"),
    Choice("cause", ("He won", "He lost", "It rained"), "C"),
]


def item(identifier="1", seed=0, questions=None, **options):
    asked = questions or [Question("answer", "What now?", OPTIONS, OPTIONS[1])]
    given = {"cluster": identifier, "metadata": {}} | options
    return choice_item(identifier, "The dog is ill.", asked, seed=seed, **given)


def test_the_prompt_has_the_passage_the_question_the_options_and_the_form():
    (message,) = item().messages
    (choice,) = choices_of(item())
    assert message.content == (
        "The dog is ill.\n\nWhat now?\n"
        + "".join(f"{a}) {o}\n" for a, o in zip("ABC", choice.options, strict=True))
        + "\nChoose the one best option. Reply in this form and with nothing else:\n"
        + "Answer: <letter>"
    )
    assert sorted(choice.options) == sorted(OPTIONS)
    assert choice.options["ABC".index(choice.right)] == OPTIONS[1]


def test_every_order_of_the_options_comes_about_as_often_over_seeds_and_items():
    orders = [choices_of(item(str(i), seed))[0].options for i in range(60) for seed in range(10)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    assert min(counts) > 60  # 100 are expected, with a standard deviation of 9
    assert item(seed=3) == item(seed=3)


@pytest.mark.parametrize(
    ("options", "right", "reason"),
    [
        (("one",), "one", "1 options; two to 26 different"),
        (("one", "one"), "one", "2 options; two to 26 different"),
        (("one", "two"), "three", "the right answer is none of its options"),
    ],
)
def test_options_that_make_no_question_are_refused(options, right, reason):
    with pytest.raises(DataError, match=f"^Item '1'.*{reason}"):
        item(questions=[Question("answer", "?", options, right)])


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Answer: B", "B"),
        ("**Answer:** (B)", "B"),
        ('{"answer": "B"}', "B"),
        ("answer - b", "B"),
        ("Answer:\nB", "B"),
        ("Answer: A walk with the dog", "B"),
        ("Answer: A", "A"),
        ("Answer: A, because it is quick", "A"),
        ("Answer: B because it is kind", "B"),
        ("Answer: A. No wait.\nAnswer: B", "B"),
        ("B", "B"),
        ("b)", "B"),
        ("B) A walk with the dog", "B"),
        ("C: Pay the bill and leave", "C"),
        ("A walk with the dog.", "B"),
        ("I think they should pay the bill and leave.", "C"),
        ("The best answer is C.", "C"),
        ("I would choose B since it is kind", "B"),
        ("Option C", "C"),
        ("", None),
        ("Answer: <letter>", None),
        ("Answer: D", None),
        ("Answer: C) A walk with the dog", None),
        ("Answer: A or B", None),
        ("Answer: A/C", None),
        ("A friend would know", None),
        ("I do not know", None),
        ("A) Ring the vet\nB) A walk with the dog\nC) Pay the bill and leave", None),
        ("Ring the vet, or a walk with the dog", None),
    ],
)
def test_an_answer_is_read_as_a_person_would_read_it(text, letter):
    assert read_choices(text, ONE) == [letter]


@pytest.mark.parametrize(
    ("text", "letters"),
    [
        ("Emotion: A\nCause: C", ["A", "C"]),
        ("**Cause:** It rained\n**Emotion:** Anger & Joy", ["B", "C"]),
        ('{"emotion": "B", "cause": "C"}', ["B", "C"]),
        ("A\nC", ["A", "C"]),
        ("1. A\n2. C", ["A", "C"]),
        ("A) Joy\nB) He lost", ["A", "B"]),
        ("Joy\nHe lost", ["A", "B"]),
        ("A) Joy\nB) Anger & Joy", ["A", None]),
        ("Emotion: B) Joy\nCause: B", [None, "B"]),
        ("Emotion: A", ["A", None]),
        ("A", [None, None]),
        ("Emotion: <letter>\nCause: <letter>", [None, None]),
        ("Emotion: C\nCause: C", [None, "C"]),
    ],
)
def test_several_questions_are_answered_by_name_or_in_their_order(text, letters):
    assert read_choices(text, TWO) == letters


def scored(texts, *, choices=ONE, status="ok", category=None):
    target = {
        "choices": [{"name": c.name, "options": c.options, "right": c.right} for c in choices]
    }
    samples = [
        Sample(
            Item(
                str(number),
                (Message("user", "?"),),
                cluster=str(number),
                target=target,
                metadata={"category": category(number)} if category else {},
            ),
            Response(str(number), text, status),
        )
        for number, text in enumerate(texts)
    ]
    scores = ChoicesScorer().score(samples)
    return [Scored(sample, score) for sample, score in zip(samples, scores, strict=True)]


def metrics(those):
    return {m.metric: m for m in ChoicesScorer().metrics(those)}


def test_a_limited_run_has_items_from_everywhere():
    every = [item(str(number)) for number in range(10)]
    assert [i.id for i in spread(every, 4)] == ["0", "2", "5", "7"]
    assert spread(every, 12) == every


def test_an_item_is_right_when_every_question_is():
    those = scored(["Emotion: A\nCause: C", "Emotion: A\nCause: B", "Emotion: B"], choices=TWO)
    assert [s.score.status for s in those] == ["ok", "ok", "unparsed"]
    assert [s.score.values for s in those] == [{"correct": 1.0}, {"correct": 0.0}, {}]
    assert [s.score.labels["chosen"] for s in those] == ["A C", "A B", "B ?"]
    assert those[2].score.note == "no choice of cause can be read"
    found = metrics(those)
    assert found["accuracy_emotion"].value == pytest.approx(200 / 3)
    assert found["accuracy_cause"].value == pytest.approx(100 / 3)


def test_what_cannot_be_read_is_wrong_in_one_metric_and_left_out_of_the_other():
    found = metrics(scored(["B", "B", "A", "who knows"]))
    assert (found["accuracy"].value, found["accuracy"].n) == (50.0, 4)
    assert found["accuracy_read"].value == pytest.approx(200 / 3)
    assert found["parseable"].value == 75.0


def test_chance_and_the_longest_option_stand_beside_the_score():
    found = metrics(scored(["B", "C"]))
    assert found["chance"].value == pytest.approx(100 / 3)
    assert found["reference_longest"].value == 0.0  # C is longer than the right one
    both = metrics(scored(["Emotion: A\nCause: C"], choices=TWO))
    assert both["chance"].value == pytest.approx(100 / 6)


def test_categories_have_their_own_accuracy_where_there_are_several():
    those = scored(["B", "A", "B", "?"], category=lambda number: "ab"[number % 2])
    found = metrics(those)
    assert (found["accuracy_a"].value, found["accuracy_b"].value) == (100.0, 0.0)
    assert "accuracy_a" not in metrics(scored(["B"], category=lambda _: "a"))


def test_an_answer_that_was_cut_before_its_choice_says_so():
    (one,) = scored(["Let me think about"], status="truncated")
    assert one.score.status == "truncated"


def test_an_item_of_another_kind_is_refused():
    other = Sample(Item("7", (Message("user", "?"),), cluster="7"), Response("7", "B"))
    with pytest.raises(UsageError, match="Item '7' has no target"):
        ChoicesScorer().score([other])
