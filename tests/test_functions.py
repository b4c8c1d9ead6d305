"""A plain function is a scorer or a task."""

from __future__ import annotations

import pytest

import empeval
from empeval import DataError, Item, Message, Score, UsageError, ValueCard
from empeval.testing import ScorerContract, TaskContract, fake_item, fake_sample


@empeval.scorer(unit="words", low=0, higher_is_better=True)
def words(sample, *, most: int = 1000):
    """How many words a reply has.

    Nothing of this stands on the card.
    """
    return min(most, len(sample.text.split()))


@empeval.task(license="CC0-1.0", provides=("reply", "reference"))
def days(*, count: int = 3):
    """What happened on some days."""
    for number in range(count):
        yield {"prompt": f"Day {number} was long.", "reference": "Oh.", "cluster": f"{number // 2}"}


class TestWords(ScorerContract):
    @pytest.fixture
    def scorer(self):
        return words()


class TestDays(TaskContract):
    @pytest.fixture
    def task(self):
        return days()


def test_the_card_says_what_the_function_says():
    card = words.card
    assert (card.version, card.summary) == ("1", "How many words a reply has.")
    (value,) = card.values
    assert (value.name, value.unit, value.low, value.higher_is_better) == (
        "words",
        "words",
        0,
        True,
    )
    assert words.function(fake_sample("one two")) == 2


def test_options_are_converted_and_belong_to_what_decides_the_scores():
    assert words().fingerprint() is None
    one, other = words(most=1), words("most=1")
    assert one.options == other.options == {"most": 1}
    assert one.fingerprint() == other.fingerprint() != words(most=2).fingerprint()
    assert one.score([fake_sample("a b c")])[0].values == {"words": 1.0}
    with pytest.raises(UsageError, match="Option 'most' of words: Expected `int`"):
        words("most=few")


RETURNED = {
    "a truth value": (True, Score("1", values={"it": 1.0})),
    "a number": (2, Score("1", values={"it": 2.0})),
    "a dict": ({"it": 2}, Score("1", values={"it": 2.0})),
    "a score": (Score("1", "refused", note="no"), Score("1", "refused", note="no")),
    "nothing": (None, Score("1", "unparsed", note="the function found nothing to score")),
}


@pytest.mark.parametrize(("said", "score"), RETURNED.values(), ids=RETURNED.keys())
def test_what_a_function_returns_is_its_score(said, score):
    @empeval.scorer
    def it(sample):
        return said

    assert it().score([fake_sample("x")]) == [score]


def test_several_values_need_a_dict():
    cards = [ValueCard(name=n, unit="points", summary=n) for n in ("warm", "wise")]

    @empeval.scorer(values=cards)
    def both(sample):
        return {"warm": 1, "wise": 0} if sample.text == "x" else 1

    assert both().score([fake_sample("x")])[0].values == {"warm": 1.0, "wise": 0.0}
    with pytest.raises(TypeError, match=r"several values \(warm, wise\) go in a dict"):
        both().score([fake_sample("y")])


def test_a_function_of_a_batch_gets_all_samples_and_must_answer_each():
    @empeval.scorer(batch=True)
    def ranks(samples):
        return [len(samples)] * (len(samples) if len(samples) < 3 else 1)

    two = [fake_sample(text, fake_item(text)) for text in "ab"]
    assert [s.values for s in ranks().score(two)] == [{"ranks": 2.0}] * 2
    with pytest.raises(ValueError, match="returned 1 results for 3 samples"):
        ranks().score([*two, fake_sample("c", fake_item("c"))])


def test_items_come_as_texts_dicts_and_items():
    whole = Item("9", (Message("user", "Hello."),), cluster="c")

    @empeval.task
    def three():
        return ["Hi.", {"id": 7, "messages": [{"role": "user", "content": "Yes."}]}, whole]

    first, second, third = three().items()
    assert (first.id, first.cluster, first.messages) == ("1", "1", (Message("user", "Hi."),))
    assert (second.id, second.messages[0].content) == ("7", "Yes.")
    assert third == whole


@pytest.mark.parametrize(
    ("item", "sentence"),
    [
        (3, "item 1 is a int; give an Item, a text or a dict"),
        ({"promt": "x"}, "item 1 has the unknown field 'promt'"),
        ({"id": "a"}, "item a asks nothing"),
        ({"prompt": "x", "messages": []}, "both 'prompt' and 'messages'"),
        ({"prompt": 3}, "item 1: Expected `str`"),
        ({"prompt": "x", "reference": 3}, "item 1: Expected `str"),
    ],
)
def test_what_is_no_item_is_refused_with_its_number(item, sentence):
    @empeval.task
    def one():
        yield item

    with pytest.raises(DataError) as caught:
        list(one().items())
    assert sentence in str(caught.value)


def test_functions_that_nobody_can_call_are_refused_at_once():
    with pytest.raises(UsageError, match=r"f\(\) must take one argument, the sample"):
        empeval.scorer(eval("lambda: 1", {"__name__": "f"}).__class__(
            (lambda: 1).__code__, {}, "f"))  # fmt: skip
    with pytest.raises(UsageError, match="is no plain function"):
        empeval.scorer(print)

    def needy(rows):
        return rows

    with pytest.raises(UsageError, match=r"needy\(rows\) must take no argument without a default"):
        empeval.task(needy)
