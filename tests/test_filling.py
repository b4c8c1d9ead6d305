"""Items with blanks are filled by likelihood: nothing is written, nothing has to be parsed."""

from __future__ import annotations

import json
import math

import msgspec
import pytest

import empeval
from empeval import (
    Blank,
    DataError,
    Generator,
    Item,
    LogLikelihood,
    Message,
    ModelCard,
    Sampling,
    UsageError,
    probabilities,
)
from empeval.filling import GROUP, Filling, filling
from empeval.runs import data_fingerprint, item_hash, prompts_hash
from empeval.testing.fakes import Echo
from empeval_tasks.eqbench.scoring import item_score


class Sure(Generator):
    """Finds texts likely by a rule: option number n of a lead of m letters has weight (n + m) % 7.

    Attributes:
        asked: how many requests came at a time.
    """

    gives_likelihood = True

    def __init__(self, target: str = "") -> None:
        self.asked: list[int] = []

    @property
    def card(self):
        return ModelCard(name="sure", fingerprint="sure")

    def generate(self, items, sampling):
        raise AssertionError("nothing is to be written")

    def loglikelihood(self, requests):
        self.asked.append(len(requests))
        for request in reversed(requests):
            if "unwell" in request.messages[-1].content:
                yield LogLikelihood(request.id, note="it does not fit")
                continue
            weights = [weight(request.lead, n) for n in range(len(request.texts))]
            values = tuple(math.log(w / 1000) for w in weights)
            yield LogLikelihood(request.id, values, prompt_tokens=3)


def weight(lead, index):
    return (index + len(lead)) % 7 + 1


MOOD = (Blank("mood", "Mood:", (" bad", " good")),)


def item(name="1", text="How?", blanks=MOOD):
    return Item(name, (Message("user", text),), cluster=name, blanks=blanks)


def test_the_answer_is_the_form_with_the_likeliest_options_and_keeps_their_shares():
    two = (Blank("a", "A:", (" x", " y", " z")), Blank("b", "Be:", (" 1", " 2")))
    [found] = Filling(Sure()).generate([item(blanks=two)], Sampling())
    assert found.response == "A: z\nBe: 2"
    assert found.likelihoods["a"] == pytest.approx((3 / 12, 4 / 12, 5 / 12))
    assert found.likelihoods["b"] == pytest.approx((4 / 9, 5 / 9))
    assert (found.status, found.prompt_tokens, found.completion_tokens) == ("ok", 6, 0)


def test_what_cannot_be_read_is_an_error_of_its_item_alone():
    found = list(Filling(Sure()).generate([item("1", "unwell"), item("2")], Sampling()))
    assert [(r.status, r.note) for r in found] == [("error", "it does not fit"), ("ok", None)]


def test_items_are_read_in_groups_that_do_not_depend_on_which_are_left():
    items = [item(str(number)) for number in range(2 * GROUP + 5)]
    model = Sure()
    adapter = filling(model, items)
    plan = adapter.plan(items, Sampling())
    assert [len(group) for group in plan] == [GROUP, GROUP, 5]
    list(adapter.generate([i for group in plan[1:] for i in group], Sampling()))
    assert model.asked == [GROUP, 5]


def test_items_without_blanks_are_asked_as_ever():
    model = Echo()
    assert filling(model, [item(blanks=())]) is model


@pytest.mark.parametrize(
    "blanks",
    [
        (),
        (Blank("a", "A:", (" x",)),),
        (Blank("a", "A:", (" x", " x")),),
        (Blank("a", "A:", (" x", "")),),
        (Blank("a", "A:", (" x", " y")), Blank("a", "B:", (" x", " y"))),
    ],
)
def test_items_that_cannot_be_filled_are_refused(blanks):
    with pytest.raises(DataError, match="filled by likelihood: 2"):
        filling(Sure(), [item(), item("2", blanks=blanks)])


def test_a_model_that_gives_no_likelihoods_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(UsageError, match="gives no probabilities of tokens"):
        empeval.run(
            Echo(),
            ["eqbench-mini"],
            task_args={"eqbench-mini.mode": "likelihood"},
            out=tmp_path / "r",
        )
    assert not (tmp_path / "r").exists()


def test_a_text_that_goes_on_from_another_is_taken_out_of_it():
    texts = ["1", "10", "100", "0"]
    values = [math.log(share) for share in (0.5, 0.3, 0.1, 0.25)]
    assert probabilities(values, texts) == pytest.approx([x / 0.75 for x in (0.2, 0.2, 0.1, 0.25)])
    assert probabilities(values) == pytest.approx([x / 1.15 for x in (0.5, 0.3, 0.1, 0.25)])
    assert probabilities([0.0, -1000.0]) == [1.0, 0.0]


def test_blanks_are_part_of_the_question_and_change_no_other_s_hash():
    plain, blank = item(blanks=()), item()
    for name in (item_hash, lambda i: data_fingerprint([i]), lambda i: prompts_hash([i])):
        assert name(plain) != name(blank)
    assert item_hash(plain) == item_hash(msgspec.structs.replace(plain, metadata={"a": 1}))


@pytest.fixture
def run(tmp_path):
    """A finished run of eqbench-mini by likelihood."""
    return empeval.run(
        Sure(), ["eqbench-mini"], task_args={"eqbench-mini.mode": "likelihood"}, out=tmp_path / "r"
    )


def test_eqbench_by_likelihood_scores_expected_and_likeliest_intensities(run):
    lines = [json.loads(line) for line in (run.path / "responses/eqbench-mini.jsonl").open()]
    assert len(lines) == 28
    expected, likeliest = [], []
    for line in lines:
        reference = line["item"]["target"]["eqbench"]["emotions"]
        shares = {}
        for name in reference:
            weights = [weight(f"{name}:", n) for n in range(11)]
            weights[1] = max(weights[1] - weights[10], 0)  # " 1" is how " 10" begins
            shares[name] = [w / sum(weights) for w in weights]
        means = {name: sum(n * p for n, p in enumerate(s)) for name, s in shares.items()}
        best = {name: s.index(max(s)) for name, s in shares.items()}
        expected.append(item_score(means, reference))
        likeliest.append(item_score(best, reference))
        assert line["response"] == "\n".join(f"{name}: {best[name]}" for name in reference)
    metrics = {(m.scorer, m.metric): m for m in run.metrics()}
    for name, values in (("expected", expected), ("likeliest", likeliest)):
        metric = metrics["eqbench-likelihood", f"eqbench_{name}"]
        assert metric.value == pytest.approx(10 * sum(values) / 28)
        assert (metric.n, metric.n_failed) == (28, 0)
    assert metrics["eqbench", "eqbench_v2"].value == pytest.approx(10 * sum(likeliest) / 28)
    assert metrics["eqbench", "parseable"].value == 100


def test_runs_by_likelihood_are_compared_by_what_does_not_hang_on_rounding(run, tmp_path):
    other = empeval.run(
        Sure(), ["eqbench-mini"], task_args={"eqbench-mini.mode": "likelihood"}, out=tmp_path / "o"
    )
    found = empeval.compare(run, other, resamples=200)
    assert [d.metric for d in found.differences if d.headline] == ["eqbench_expected"]


def test_a_run_by_likelihood_is_another_run_spec_than_one_that_has_answers_written(run):
    with pytest.raises(empeval.EmpevalError, match="mode"):
        empeval.run(Sure(), ["eqbench-mini"], out=run.path)


def test_an_answer_without_probabilities_has_no_score(run):
    from empeval_tasks.eqbench.likelihood import LikelihoodScorer

    [sample, *_] = run.samples("eqbench-mini")
    bare = msgspec.structs.replace(
        sample, response=msgspec.structs.replace(sample.response, likelihoods={})
    )
    [score] = LikelihoodScorer().score([bare])
    assert score.status == "error"
    assert "no probabilities" in str(score.note)


def test_a_revision_cannot_be_filled_in(tmp_path):
    arguments = {"eqbench.mode": "likelihood", "eqbench.prompts": "revise"}
    with pytest.raises(UsageError, match="leave out prompts=revise"):
        empeval.run(Sure(), ["eqbench"], task_args=arguments, out=tmp_path / "r")


def test_letters_of_questions_with_options_are_chosen_by_likelihood():
    from empeval.testing.fakes import fake_sample
    from empeval_tasks.multiple_choice.questions import Question, choice_item
    from empeval_tasks.multiple_choice.scorer import ChoicesScorer

    questions = [
        Question("emotion", "What?", ("glad", "sad", "calm"), "sad"),
        Question("cause", "Why?", ("rain", "sun"), "rain"),
    ]
    options = {"seed": 0, "cluster": "1", "metadata": {}, "mode": "likelihood"}
    asked = choice_item("1", "It rains.", questions, **options)
    assert [blank.options for blank in asked.blanks] == [(" A", " B", " C"), (" A", " B")]
    [found] = Filling(Sure()).generate([asked], Sampling())
    weights = [[weight("Emotion:", n) for n in range(3)], [weight("Cause:", n) for n in range(2)]]
    letters = ["ABC"[w.index(max(w))] for w in weights]
    assert found.response == f"Emotion: {letters[0]}\nCause: {letters[1]}"
    [score] = ChoicesScorer().score([fake_sample(found.response, asked)])
    assert score.labels["chosen"] == " ".join(letters)
    assert score.status == "ok"
