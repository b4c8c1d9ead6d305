"""A judge of whom the probabilities of the numbers are read."""

from __future__ import annotations

import math

import pytest
from support.judging import replies, write_rubric
from support.likely_server import LikelyModel
from support.model_server import MODEL
from support.tiny_models import make_random_model

import empeval
from empeval import Continuations, Run, UsageError, loglikelihood, open_model
from empeval_judge.prompts import prompt
from empeval_judge.rubrics import read_rubric
from empeval_judge.scorer import Judge

FOUR = '{name: empathy, question: "How much?", low: 1, high: 4, higher_is_better: true}'
TENS = '{name: tact, question: "How tactful?", low: 8, high: 11, higher_is_better: true}'


@pytest.fixture
def rubric(tmp_path):
    return write_rubric(tmp_path, FOUR, TENS, more="means: {}")


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    make_random_model(folder, "llama", seed=5, max_position_embeddings=4096)
    return folder


@pytest.fixture
def target(model, rubric):
    return f"hf:{model}?rubric={rubric}&dtype=float32&device=cpu&expected=true"


def samples():
    return replies("I hear you.", "So what.")


def test_the_score_is_the_mean_of_the_numbers_by_their_probabilities(target, model, rubric):
    scores = Judge(target).score(samples())
    generator = open_model(f"hf:{model}", {"dtype": "float32", "device": "cpu"})
    for score, sample in zip(scores, samples(), strict=True):
        for name, numbers in (("empathy", (1, 2, 3, 4)), ("tact", (8, 9, 10, 11))):
            texts = tuple(f" {number}" for number in numbers)
            messages = prompt(read_rubric(str(rubric)), sample)
            asked = Continuations("1", messages, texts, f"{name}:")
            weights = [math.exp(v) for v in loglikelihood(generator, [asked])["1"].values]
            mean = sum(n * w for n, w in zip(numbers, weights, strict=True)) / sum(weights)
            assert score.values[name] == pytest.approx(mean, abs=1e-4)
            assert numbers[0] < score.values[name] < numbers[-1]
    assert scores[0].values != scores[1].values


def test_a_number_that_begins_another_has_its_own_share_alone(model, tmp_path):
    path = write_rubric(
        tmp_path, FOUR, TENS.replace("8, high: 11", "0, high: 10"), more="means: {}"
    )
    target = f"hf:{model}?rubric={path}&dtype=float32&device=cpu&expected=true"
    (score,) = Judge(target).score(samples()[:1])
    assert 0 < score.values["tact"] < 10


def test_it_is_another_scorer_than_one_that_writes(target):
    written = Judge(target.replace("&expected=true", ""))
    read = Judge(target)
    assert written.fingerprint() != read.fingerprint()
    assert written.short != read.short


def test_what_was_read_is_kept_and_not_asked_again(target, tmp_path, monkeypatch):
    run = empeval.run("human:", ["ed-mini"], [f"judge:{target}"], limit=1, out=tmp_path / "run")
    (label,) = run.manifest.scorers["ed-mini"]
    first = list(run.scores("ed-mini", label))
    run.scores_path("ed-mini", label).unlink()
    from empeval.generators.hf import HuggingFace

    def never(self, requests):
        raise AssertionError("it was asked again")

    monkeypatch.setattr(HuggingFace, "loglikelihood", never)
    again = empeval.score(run.path, [f"judge:{target}"])
    assert list(Run(again.path).scores("ed-mini", label)) == first


def test_a_model_without_probabilities_is_refused(rubric, model_server):
    judge = Judge(f"openai:{MODEL}?rubric={rubric}&base_url={model_server.url}&expected=true")
    with pytest.raises(UsageError, match="gives no probabilities"):
        judge.score(samples())
    assert len(model_server.requests) == 3  # one a method that it might have known


def test_a_served_judge_expects_what_the_same_model_does_on_this_machine(
    target, model, rubric, model_server
):
    model_server.answer = LikelyModel(model)
    served = f"openai:{MODEL}?rubric={rubric}&base_url={model_server.url}&expected=true"
    scores = Judge(f"{served}&api=completions&price_in=1&price_out=1").score(samples())
    for score, local in zip(scores, Judge(target).score(samples()), strict=True):
        for name in ("empathy", "tact"):
            assert score.values[name] == pytest.approx(local.values[name], abs=1e-3)
        assert score.values["judge_cost"] == pytest.approx(score.values["judge_tokens"] / 1e6)


@pytest.mark.parametrize("option", ["repeats=3", "temperature=0.5"])
def test_what_draws_does_not_go_with_it(target, option):
    with pytest.raises(UsageError, match="nothing is drawn"):
        Judge(f"{target}&{option}")
