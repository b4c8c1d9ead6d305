"""EmoBench in the layouts in which it was published, on rows of our own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import empeval
from empeval import DataError
from empeval.testing import TaskContract
from empeval_tasks.emobench.task import EmoBenchEA, EmoBenchEU
from empeval_tasks.multiple_choice.questions import choices_of

SCENE = "Ida waited for the last bus, which drove past. Then her sister's car came round the bend."
EU = {
    "qid": "7",
    "language": "en",
    "coarse_category": "complex_emotions",
    "finegrained_category": "emotion_transition",
    "scenario": SCENE,
    "subject": "Ida",
    "emotion_choices": ["Relief", "Anger", "Boredom"],
    "emotion_label": "Relief",
    "cause_choices": ["The bus drove past", "Her sister came"],
    "cause_label": "Her sister came",
}
EA = {
    "qid": "3",
    "language": "en",
    "category": "Personal-Others",
    "question type": "Response",
    "scenario": "My neighbour lost her keys.",
    "subject": "I",
    "choices": ['"How silly"', '"Come in and wait"', '"Bad luck"'],
    "label": '"Come in and wait"',
}


def old(row):
    """The same question in the layout of the repository's first version."""

    def both(value):
        return {"en": value, "zh": "…"}

    if "label" in row:
        return {
            "Problem": "Others",
            "Relationship": "Personal",
            "Question": both("Response"),
            "Scenario": both(row["scenario"]),
            "Subject": both(row["subject"]),
            "Choices": both(row["choices"]),
            "Label": 1,
            "Label_str": both(row["label"]),
        }
    return {
        "Category": row["finegrained_category"],
        "Scenario": both(row["scenario"]),
        "Subject": both(row["subject"]),
        **{
            name: {
                "Choices": both(row[f"{name.lower()}_choices"]),
                "Label": both(row[f"{name.lower()}_label"]),
            }
            for name in ("Emotion", "Cause")
        },
    }


def write(path: Path, rows) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(rows) if path.suffix == ".json" else "\n".join(map(json.dumps, rows))
    path.write_text(text, encoding="utf-8")
    return path


class TestEmoBenchEU(TaskContract):
    @pytest.fixture
    def task(self, tmp_path):
        return EmoBenchEU(file=str(write(tmp_path / "eu.jsonl", [EU, EU | {"qid": "8"}])))


class TestEmoBenchEA(TaskContract):
    @pytest.fixture
    def task(self, tmp_path):
        return EmoBenchEA(file=str(write(tmp_path / "ea.jsonl", [EA])))


def test_understanding_asks_for_the_emotion_and_its_cause(tmp_path):
    (item,) = EmoBenchEU(file=str(write(tmp_path / "eu.jsonl", [EU]))).items()
    emotion, cause = choices_of(item)
    assert emotion.options["ABC".index(emotion.right)] == "Relief"
    assert cause.options["AB".index(cause.right)] == "Her sister came"
    text = item.messages[0].content
    assert text.startswith(SCENE)
    assert "what does Ida feel?" in text
    assert item.metadata == {"category": "complex_emotions", "subject": "Ida"}


def test_application_asks_what_to_say_or_to_do(tmp_path):
    rows = [EA, EA | {"qid": "4", "question type": "Action", "subject": "Ida"}]
    says, does = EmoBenchEA(file=str(write(tmp_path / "ea.jsonl", rows))).items()
    assert "best thing for the narrator to say?" in says.messages[0].content
    assert "best thing for Ida to do?" in does.messages[0].content
    assert says.metadata["category"] == "personal_others"


def test_questions_on_one_scenario_are_one_cluster(tmp_path):
    rows = [EU, EU | {"qid": "8", "subject": "Eva"}, EU | {"qid": "9", "scenario": "Else."}]
    items = list(EmoBenchEU(file=str(write(tmp_path / "eu.jsonl", rows))).items())
    assert [i.cluster for i in items] == ["7", "7", "9"]


@pytest.mark.parametrize(("task", "row", "part"), [(EmoBenchEU, EU, "EU"), (EmoBenchEA, EA, "EA")])
@pytest.mark.parametrize("layout", ["{}.jsonl", "data/{}.jsonl", "data/{}/data.json"])
def test_every_published_layout_asks_the_same(tmp_path, monkeypatch, task, row, part, layout):
    folder = tmp_path / "SahandSab" / "EmoBench"
    chinese = row | {"language": "zh", "scenario": "…"}
    published = [old(row)] if layout.endswith("data.json") else [chinese, row]
    write(folder / layout.format(part), published)
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
    (item,) = task().items()
    (wanted,) = task(file=str(write(tmp_path / "own.jsonl", [row]))).items()
    sets = [[sorted(c.options) for c in choices_of(i)] for i in (item, wanted)]
    rights = [[c.options["ABC".index(c.right)] for c in choices_of(i)] for i in (item, wanted)]
    assert sets[0] == sets[1]
    assert rights[0] == rights[1]
    assert item.messages[0].content.split("\n\n")[0] == wanted.messages[0].content.split("\n\n")[0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"scenario": "x", "subject": "y"}, "no column"),
        (EU | {"emotion_choices": "Relief"}, "must be a list of texts"),
        (EU | {"emotion_label": "Envy"}, "the right answer is none of its options"),
        ({"Scenario": {"en": "x"}}, "row 1: no column subject"),
    ],
)
def test_rows_that_are_something_else_are_refused(tmp_path, row, reason):
    with pytest.raises(DataError, match=reason):
        list(EmoBenchEU(file=str(write(tmp_path / "eu.jsonl", [row]))).items())


def test_saved_answers_are_scored_end_to_end(tmp_path):
    file = write(tmp_path / "ea.jsonl", [EA, EA | {"qid": "4", "scenario": "Else."}])
    right, other = (choices_of(i)[0].right for i in EmoBenchEA(file=str(file)).items())
    wrong = next(a for a in "ABC" if a != other)
    said = [{"id": "3", "response": f"<think>A?</think>Answer: {right}"}]
    said += [{"id": "4", "response": f"Answer: {wrong}"}]
    run = empeval.run(
        f"replay:{write(tmp_path / 'said.jsonl', said)}",
        ["emobench-ea"],
        task_args={"emobench-ea.file": str(file)},
        out=tmp_path / "run",
    )
    metrics = {m.metric: m.value for m in run.metrics()}
    assert metrics["accuracy"] == 50.0
    assert metrics["chance"] == pytest.approx(100 / 3)


def test_the_real_data_are_those_that_the_card_was_made_with(real_data):
    folder = real_data.parent / "emobench"
    if not folder.is_dir():
        pytest.skip("no EmoBench beside the mirror of the data sets")
    from empeval.runs import data_fingerprint

    for task, name, clusters in ((EmoBenchEU, "EU", 140), (EmoBenchEA, "EA", 200)):
        items = list(task(file=str(folder / f"{name}.en.jsonl")).items())
        assert (len(items), len({i.cluster for i in items})) == (200, clusters)
        assert data_fingerprint(items) in task.card.fingerprints["seed=0"]
