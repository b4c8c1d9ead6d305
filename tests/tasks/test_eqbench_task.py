from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from support.eqbench import FERRY, NAMES, REFERENCE, STOVE, mirror, prompt, row

from empeval import DataError, Item, UsageError
from empeval.registry import build
from empeval.runs import data_fingerprint
from empeval_tasks.eqbench.task import EQBench, EQBenchGerman

DATASET = "pbevan11/EQ-Bench"
ROWS = [
    row(prompt(FERRY[:2])),
    row(prompt(STOVE, "Di")),
    row(prompt(FERRY, "Bo")),
    row(prompt(["Ada: The ferry left.", "Cy: At last."])),
]


@pytest.fixture(autouse=True)
def no_data_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMPEVAL_DATA", raising=False)


def items_of(
    rows: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> list[Item]:
    monkeypatch.setenv("EMPEVAL_DATA", str(mirror(folder, rows, DATASET, "validation.jsonl")))
    return list(EQBench(**options).items())


def write(path: Path, content: Any) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return str(path)


def published(*texts: str) -> dict[str, Any]:
    """Questions as the repository publishes them: by number, references as mappings."""
    mapping = ast.literal_eval(row("")["reference_answer_fullscale"])
    return {
        str(number): {"prompt": text, "reference_answer_fullscale": mapping}
        for number, text in enumerate(texts, 1)
    }


def test_items_are_numbered_in_the_order_of_the_data_set_and_keep_the_prompt_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{**r, "prompt": r["prompt"] + "\n \n"} for r in ROWS]
    items = items_of(rows, tmp_path, monkeypatch)
    assert [item.id for item in items] == ["1", "2", "3", "4"]
    assert [[m.content for m in item.messages] for item in items] == [[r["prompt"]] for r in rows]
    assert {m.role for item in items for m in item.messages} == {"user"}


def test_the_target_holds_the_four_emotions_as_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = items_of(ROWS, tmp_path, monkeypatch)[0]
    assert item.target["eqbench"]["emotions"] == REFERENCE
    assert list(item.target["eqbench"]["emotions"]) == list(NAMES)
    assert all(type(x) is float for x in item.target["eqbench"]["emotions"].values())


def test_questions_whose_dialogue_goes_on_from_an_earlier_one_share_its_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = items_of(ROWS, tmp_path, monkeypatch)
    assert [item.cluster for item in items] == [
        "dialogue-1",
        "dialogue-2",
        "dialogue-1",
        "dialogue-4",
    ]


def test_the_same_speakers_saying_something_else_are_another_dialogue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ["Ada: Snow again today, look!", "Bo: Then we stay at home."]
    items = items_of([row(prompt(FERRY[:2])), row(prompt(other))], tmp_path, monkeypatch)
    assert len({item.cluster for item in items}) == 2


def test_a_translation_that_varies_a_word_still_shares_its_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    varied = ["Ada: The ferry has left.", *FERRY[1:]]
    items = items_of([row(prompt(FERRY[:2])), row(prompt(varied))], tmp_path, monkeypatch)
    assert [item.cluster for item in items] == ["dialogue-1", "dialogue-1"]


def test_the_character_asked_about_is_kept_for_the_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = items_of(ROWS[:3], tmp_path, monkeypatch)
    assert [item.metadata["about"] for item in items] == ["Ada", "Di", "Bo"]


def test_of_two_that_are_named_it_is_the_same_one_whatever_the_hashes_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns = [f"{name}: I hear {name}." for name in ("Ann", "Bea", "Cyd", "Dot", "Eva")]
    asked = [("Ann", "Dot"), ("Dot", "Ann"), ("Eva", "Cyd"), ("Bea", "Eva")]
    rows = [row(prompt(turns, f"it was said by {one}, and {two}")) for one, two in asked]
    items = items_of(rows, tmp_path, monkeypatch)
    assert [item.metadata["about"] for item in items] == [two for _, two in asked]


def test_the_character_is_found_in_the_genitive_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(prompt(FERRY, "Ada's heart")), row(prompt(STOVE, "Dis Herz"))]
    items = items_of(rows, tmp_path, monkeypatch)
    assert [item.metadata["about"] for item in items] == ["Ada", "Di"]


def test_a_prompt_of_another_shape_is_a_question_on_a_dialogue_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = items_of([row("How do they feel?"), row("And now?")], tmp_path, monkeypatch)
    assert [item.cluster for item in items] == ["dialogue-1", "dialogue-2"]
    assert "about" not in items[0].metadata


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ({"prompt": prompt(FERRY)}, "row 2: no column reference_answer_fullscale"),
        ({"reference_answer_fullscale": "{}"}, "row 2: no column prompt"),
        (row("  \n"), "row 2: the prompt is empty"),
        ({**row(""), "prompt": 5}, "row 2: the prompt is empty or no text"),
        (
            {"prompt": "x", "reference_answer_fullscale": "open('f')"},
            "row 2: reference_answer_fullscale is no mapping",
        ),
        (
            {"prompt": "x", "reference_answer_fullscale": "[1, 2"},
            "row 2: reference_answer_fullscale is no mapping",
        ),
        (
            {"prompt": "x", "reference_answer_fullscale": {"emotion1": "Calm"}},
            "emotion1_score must be a number from 0 to 10, not None",
        ),
        (
            {
                "prompt": "x",
                "reference_answer_fullscale": {"emotion1": "Calm", "emotion1_score": 3},
            },
            "has no emotion2",
        ),
        (row("x", {**REFERENCE, "Weary": 11}), "from 0 to 10, not 11"),
        (
            {
                "prompt": "x",
                "reference_answer_fullscale": {"emotion1": "Calm", "emotion1_score": True},
            },
            "from 0 to 10, not True",
        ),
        (row("x", {"Calm": 1, "calm": 2, "Weary": 3, "Amused": 4}), "names an emotion twice"),
        (row("x", question_id="1"), "two questions with the id '1'"),
        (row("x", question_id=[2]), "question_id must be a number or text"),
    ],
)
def test_a_broken_row_is_named_with_what_is_wrong(
    broken: dict[str, Any], complaint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [row(prompt(FERRY), question_id="1"), broken]
    with pytest.raises(DataError) as caught:
        items_of(rows, tmp_path, monkeypatch)
    assert DATASET in str(caught.value)
    assert complaint in str(caught.value)


def test_an_empty_data_set_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no rows"):
        items_of([], tmp_path, monkeypatch)


def test_published_questions_are_read_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path / "q.json", published(prompt(FERRY[:2]), prompt(FERRY)))
    items = list(EQBench(questions=path).items())
    assert [item.id for item in items] == ["1", "2"]
    assert items[1].cluster == "dialogue-1"
    assert items[0].target["eqbench"]["emotions"] == REFERENCE


def test_questions_may_also_be_rows_of_json_lines(tmp_path: Path) -> None:
    mirror(tmp_path, [row(prompt(FERRY), question_id=7)], "a/b", "q.jsonl")
    items = list(EQBench(questions=str(tmp_path / "a" / "b" / "q.jsonl")).items())
    assert [item.id for item in items] == ["7"]


@pytest.mark.parametrize("content", ["{", '{"a": 1}', "[]", "3"])
def test_a_file_of_something_else_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "q.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=r"q\.json"):
        list(EQBench(questions=str(path)).items())


def test_a_file_that_is_not_there_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere"):
        list(EQBench(questions=str(tmp_path / "nowhere.json")).items())


def test_revision_prompts_are_asked_as_they_are_when_they_are_wanted(tmp_path: Path) -> None:
    text = prompt(FERRY, revise=True)
    path = write(tmp_path / "q.json", published(text))
    item = next(EQBench(prompts="revise", questions=path).items())
    assert item.messages[0].content == text
    assert item.target["eqbench"]["form"] == "revise"


def test_plain_prompts_are_made_from_revision_prompts(tmp_path: Path) -> None:
    path = write(tmp_path / "q.json", published(prompt(FERRY, revise=True), prompt(FERRY)))
    made, plain = EQBench(questions=path).items()
    assert made.messages == plain.messages
    assert made.target["eqbench"]["form"] == "plain"


def test_plain_prompts_made_from_german_ones_take_the_wording_of_the_first(tmp_path: Path) -> None:
    headings = ("Erste Bewertung:", "Überarbeitete Bewertung:")
    first = prompt(FERRY[:2], revise=True, headings=headings)
    second = prompt(FERRY, revise=True, headings=headings).replace("Put a number", "Set a number")
    path = write(tmp_path / "q.json", published(first, second))
    contents = [item.messages[0].content for item in EQBenchGerman(questions=path).items()]
    assert all("Put a number on each.\n" in content for content in contents)
    assert all(content.endswith("\n\nIhre Antwort:") for content in contents)
    assert not any("Erste" in content or "Doubt" in content for content in contents)


def test_revision_prompts_are_not_made_from_plain_ones(tmp_path: Path) -> None:
    path = write(tmp_path / "q.json", published(prompt(FERRY)))
    with pytest.raises(DataError, match="question 1 asks for no revision"):
        list(EQBench(prompts="revise", questions=path).items())


FORM = "\n".join(f"{name}: ?" for name in NAMES)


@pytest.mark.parametrize(
    "text",
    [
        f"Twice:\n{FORM}\n{FORM}",
        prompt(FERRY, revise=True).replace("\n\nDoubts: <your doubts>\n\n", "\n"),
    ],
)
def test_a_revision_prompt_of_another_shape_is_not_turned_into_a_plain_one(
    text: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "q.json", published(text))
    with pytest.raises(DataError, match="prompts=revise"):
        list(EQBench(questions=path).items())


def test_revision_prompts_without_a_file_say_where_to_get_them() -> None:
    with pytest.raises(DataError) as caught:
        list(EQBench(prompts="revise").items())
    assert "https://github.com/EQ-bench/EQ-Bench" in str(caught.value)
    assert "questions=FILE" in str(caught.value)


def test_german_questions_without_a_file_say_where_to_get_them() -> None:
    with pytest.raises(DataError) as caught:
        list(EQBenchGerman().items())
    assert "data/eq_bench_v2_questions_171_de.json" in str(caught.value)
    assert "questions=FILE" in str(caught.value)


def test_german_questions_are_found_in_the_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "data/eq_bench_v2_questions_171_de.json"
    write(tmp_path / "EQ-bench" / "EQ-Bench" / name, published(prompt(STOVE)))
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
    item = next(EQBenchGerman().items())
    assert item.target["eqbench"]["language"] == "de"


def test_revisions_get_more_tokens_than_plain_answers() -> None:
    assert EQBench().card.sampling.max_tokens == 80
    assert EQBench(prompts="revise").card.sampling.max_tokens == 1000
    assert EQBench.card.sampling.max_tokens == 80
    assert EQBenchGerman(prompts="revise").card.language == "de"


def test_the_key_of_the_rows_tells_the_prompts_apart() -> None:
    keys = {
        EQBench().data_key(),
        EQBench(prompts="revise").data_key(),
        EQBench(questions="q.json").data_key(),
    }
    assert len(keys) == 3


def test_an_unknown_kind_of_prompts_is_an_error_that_names_the_known_ones() -> None:
    with pytest.raises(UsageError, match="plain, revise"):
        build(EQBench, {"prompts": "both"}, label="task 'eqbench'")


def test_the_data_set_has_171_questions_on_50_dialogues(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPEVAL_DATA", str(real_data))
    items = list(EQBench().items())
    assert [item.id for item in items] == [str(number) for number in range(1, 172)]
    assert len({item.cluster for item in items}) == 50
    assert all("about" in item.metadata for item in items)


def test_the_german_questions_lie_on_the_same_dialogues(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _extra(real_data, "v2_de.jsonl")
    monkeypatch.setenv("EMPEVAL_DATA", str(real_data))
    german, english = EQBenchGerman(questions=str(file)).items(), EQBench().items()
    assert [i.cluster for i in german] == [i.cluster for i in english]


def test_plain_prompts_made_from_the_published_ones_are_those_of_the_data_set(
    real_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _extra(real_data, "v2_en_with_revision.jsonl")
    monkeypatch.setenv("EMPEVAL_DATA", str(real_data))
    made, plain = list(EQBench(questions=str(file)).items()), list(EQBench().items())
    assert made == plain


def test_the_published_questions_are_those_that_the_card_knows(real_data: Path) -> None:
    for task, file in (
        (EQBench(prompts="revise"), "v2_en_with_revision.jsonl"),
        (EQBenchGerman(), "v2_de.jsonl"),
    ):
        source = type(task)(prompts=task.prompts, questions=str(_extra(real_data, file)))
        known = task.card.fingerprints[task.data_key()]
        assert data_fingerprint(source.items()) in known


def _extra(real_data: Path, name: str) -> Path:
    path = real_data.parent / "eqbench_extra" / name
    if not path.is_file():
        pytest.skip(f"no {name} beside the mirror of the data sets")
    return path
