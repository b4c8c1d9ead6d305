from __future__ import annotations

from empeval import Response, Sample
from empeval_tasks.eqbench.scorer import EQBenchScorer
from empeval_tasks.eqbench_mini.task import EQBenchMini


def test_the_small_task_has_questions_with_four_emotions_each() -> None:
    items = list(EQBenchMini().items())
    assert len({item.id for item in items}) == len(items) >= 20
    assert all(len(item.target["eqbench"]["emotions"]) == 4 for item in items)


def test_questions_on_one_scene_share_a_cluster() -> None:
    items = list(EQBenchMini().items())
    assert 1 < len({item.cluster for item in items}) < len(items)
    assert all(item.cluster == item.metadata["scene"] for item in items)


def test_the_prompt_shows_the_character_the_emotions_and_the_form_of_the_answer() -> None:
    for item in EQBenchMini().items():
        content = item.messages[0].content
        assert f"does {item.metadata['about']} feel" in content
        for name in item.target["eqbench"]["emotions"]:
            assert f"\n{name}: <" in content


def test_the_reference_answers_get_full_points() -> None:
    samples = []
    for item in EQBenchMini().items():
        emotions = item.target["eqbench"]["emotions"]
        text = "\n".join(f"{name}: {score:g}" for name, score in emotions.items())
        samples.append(Sample(item, Response(item.id, text)))
    scores = EQBenchScorer().score(samples)
    assert {score.values["first_pass"] for score in scores} == {10}


def test_repeating_the_form_of_the_answer_is_told_as_such() -> None:
    item = next(EQBenchMini().items())
    form = item.messages[0].content.split("\n\n")[-2]
    score = EQBenchScorer().score([Sample(item, Response(item.id, form))])[0]
    assert score.labels["reason"] == "placeholders"
