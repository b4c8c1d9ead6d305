"""Rated replies out of files: published layouts, and a user's own with all that can be wrong."""

from __future__ import annotations

import csv
import json

import pytest
from support.rated_rows import rows, write

from empeval.auditing.gathering import gather
from empeval.data import use_data_directory
from empeval.errors import DataError, UsageError


def one(path, **options):
    (found,), remarks = gather([str(path)], **options)
    return found, remarks


def test_a_file_of_ones_own_is_read_whole_whatever_part_is_asked_for(tmp_path):
    found, remarks = one(write(tmp_path / "mine.jsonl", rows(30)), part="test")
    assert (found.part, len(found.rated.replies), remarks) == ("all", 30, [])
    (dimension,) = found.rated.dimensions
    assert (dimension.name, dimension.low, dimension.high, dimension.whole) == (
        "empathy", 1, 5, True,
    )  # fmt: skip
    assert len({reply.dialogue for reply in found.rated.replies}) == 15


def test_rows_of_one_reply_by_several_raters_are_one_reply(tmp_path):
    found, _ = one(write(tmp_path / "mine.jsonl", rows(10, raters=3)))
    assert len(found.rated.replies) == 10
    said = found.rated.replies[0].ratings["empathy"]
    assert [rating.rater for rating in said] == ["r0", "r1", "r2"]


def test_other_names_of_columns_are_mapped_and_the_rating_names_the_dimension(tmp_path):
    lines = [{"prompt": "a", "reply": f"b{k}", "warmth": k % 3 / 2} for k in range(6)]
    columns = {"context": "prompt", "response": "reply", "rating": "warmth"}
    found, _ = one(write(tmp_path / "mine.jsonl", lines), columns=columns)
    (dimension,) = found.rated.dimensions
    assert (dimension.name, dimension.whole) == ("warmth", False)
    with pytest.raises(UsageError, match="no column 'respons' to map"):
        gather([str(tmp_path / "mine.jsonl")], columns={"respons": "reply"})


def test_csv_contexts_may_be_texts_or_lists_in_json(tmp_path):
    path = tmp_path / "mine.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["context", "response", "rating"])
        writer.writerow(['["hello", "hi there", "I am sad"]', "oh no", "3"])
        writer.writerow(["I am, well, sad", "oh, no", "4"])
        writer.writerow(["[sic] I am sad", "no", "2"])
    found, _ = one(path)
    assert [reply.context for reply in found.rated.replies] == [
        ("hello", "hi there", "I am sad"), ("I am, well, sad",), ("[sic] I am sad",),
    ]  # fmt: skip


def test_every_row_that_cannot_be_used_is_counted_with_its_reason(tmp_path):
    bad = [
        {"context": "c", "response": "r", "rating": "NaN", "mood": 1},
        {"context": "c", "response": "r", "rating": "much", "mood": 1},
        {"context": "c", "response": "r", "rating": None, "mood": 1},
        {"context": "c", "response": "  ", "rating": 3, "mood": 1},
        {"context": [], "response": "r", "rating": 3, "mood": 1},
    ]
    good = {"context": "c", "response": "good", "rating": 3, "mood": 1}
    found, _ = one(write(tmp_path / "mine.jsonl", [*bad, good, good, {**good, "rating": 5}]))
    (reply,) = found.rated.replies
    assert reply.mean("empathy") == 4  # the row that comes twice counts once
    assert sorted(found.rated.notes) == [
        "1 of 8 rows repeat another row and count once",
        "2 of 8 rows have no context or no response",
        "3 of 8 rows have no finite number as their rating",
        "columns not used: mood",
    ]


def test_a_file_without_a_row_to_use_says_why(tmp_path):
    path = write(tmp_path / "mine.jsonl", [{"context": "c", "response": "r", "rating": "x"}] * 4)
    with pytest.raises(DataError, match="no row that can be used: of 4 rows, 4 have no finite"):
        gather([str(path)])


def test_a_context_of_another_type_is_named(tmp_path):
    path = write(tmp_path / "mine.jsonl", [{"context": 4, "response": "r", "rating": 1}])
    with pytest.raises(DataError, match=r"mine.jsonl, row 1: the context must be a text or a list"):
        gather([str(path)])


def test_unknown_columns_are_named_with_what_to_do(tmp_path):
    path = write(tmp_path / "mine.jsonl", [{"question": "c", "reply": "r", "stars": 1}])
    with pytest.raises(DataError, match=r"has the columns question, reply, stars.*--map"):
        gather([str(path)])
    with pytest.raises(UsageError, match=r"There is no file or folder .*nowhere of rated replies"):
        gather([str(tmp_path / "nowhere")])


def test_a_folder_is_read_file_by_file_and_what_does_not_fit_is_said(tmp_path):
    write(tmp_path / "a.jsonl", rows(6))
    write(tmp_path / "b.jsonl", [{"other": 1}])
    (tmp_path / "README.md").write_text("nothing")
    (tmp_path / "empty.csv").write_text("")
    found, remarks = gather([str(tmp_path)])
    assert [one.rated.name for one in found] == ["a"]
    assert len(remarks) == 2
    assert all(remark.startswith("passed over: ") for remark in remarks)
    (tmp_path / "a.jsonl").unlink()
    with pytest.raises(DataError, match="holds no file of rated replies"):
        gather([str(tmp_path)])


def test_two_files_of_one_name_stay_apart(tmp_path):
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "mine.jsonl", rows(4))
    found, _ = gather([str(tmp_path / "x"), str(tmp_path / "y")])
    assert [one.rated.name for one in found] == ["mine", "mine-2"]


def published(count=60):
    return [
        {
            "sp_id": f"s{k // 2}", "rp_id": f"r{k}", "seeker_post": f"post {k // 2}",
            "response_post": f"answer {k}", "er": k % 3, "ip": k % 2, "ex": 0,
        }
        for k in range(count)
    ]  # fmt: skip


def test_published_sets_are_known_by_their_columns_and_give_their_test_part(tmp_path):
    path = write(tmp_path / "some.jsonl", published())
    parts = {}
    for part in ("train", "validation", "test", "all"):
        found, _ = gather([str(path)], part=part)
        parts[part] = {reply.id for one in found for reply in one.rated.replies}
        assert all(one.part == part and one.rated.name == "epitome" for one in found)
    assert len(parts["all"]) == 60
    assert parts["train"] | parts["validation"] | parts["test"] == parts["all"]
    assert not parts["train"] & parts["test"]
    assert 0 < len(parts["test"]) < 30


def test_a_limit_takes_the_same_whole_dialogues_every_time(tmp_path):
    path = write(tmp_path / "some.jsonl", published())
    found, _ = one(path, part="all", limit=20)
    again, _ = one(path, part="all", limit=20)
    assert found == again
    assert len(found.rated.replies) == 20
    assert len({reply.dialogue for reply in found.rated.replies}) == 10
    assert "limited to 20 of 60 replies" in found.rated.notes


def test_esconv_is_read_from_the_mirror_as_seekers_ratings(tmp_path):
    folder = tmp_path / "thu-coai" / "esconv"
    folder.mkdir(parents=True)

    def dialogue(name, feedback):
        turns = [
            ("seeker", f"I lost my job, {name}", {}),
            ("supporter", "That must be", {}),
            ("supporter", "a shock.", {}),
            ("seeker", "It is.", {"feedback": feedback}),
        ]
        return {"dialog": [{"speaker": s, "content": c, "annotation": a} for s, c, a in turns]}

    for split, feedback in (("validation", "2"), ("test", "5"), ("train", "1")):
        lines = json.dumps(dialogue(split, feedback)) + "\n"
        (folder / f"{split}.jsonl").write_text(lines)
    with use_data_directory(tmp_path):
        found, _ = one("esconv", part="all")
    replies = found.rated.replies
    assert [(reply.reply, reply.mean("empathy")) for reply in replies] == [
        ("That must be a shock.", 2), ("That must be a shock.", 5),
    ]  # fmt: skip
    assert [reply.context for reply in replies] == [
        ("I lost my job, validation",), ("I lost my job, test",),
    ]  # fmt: skip
