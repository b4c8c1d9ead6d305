"""Append-only files: whole lines, nothing else."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empeval import RunFolderError, Score, StorageError
from empeval.files import write_json
from empeval.runs import Journal, read_journal

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
scores = st.builds(
    Score,
    id=text,
    values=st.dictionaries(text, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    labels=st.dictionaries(text, text, max_size=3),
    note=st.none() | text,
)


def lines_of(records):
    return [msgspec.json.encode(record) + b"\n" for record in records]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("journal") / "scores.jsonl"


@given(records=st.lists(scores, max_size=6), data=st.data())
@settings(deadline=None, max_examples=150)
def test_a_journal_cut_anywhere_gives_its_whole_lines_and_nothing_else(file, records, data):
    lines = lines_of(records)
    whole = b"".join(lines)
    cut = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    assert read_journal(file, Score) == records[:kept]
    assert file.read_bytes() == whole[:cut], "reading must not change it"


@given(records=st.lists(scores, min_size=1, max_size=6), data=st.data())
@settings(deadline=None, max_examples=100)
def test_a_journal_cut_anywhere_goes_on_from_its_last_whole_line(file, records, data):
    whole = b"".join(lines_of(records))
    cut = data.draw(st.integers(0, len(whole)))
    file.write_bytes(whole[:cut])
    kept = whole[:cut].count(b"\n")
    with Journal(file) as journal:
        for record in records[kept:]:
            journal.append(record)
    assert file.read_bytes() == whole


@given(st.binary(max_size=200) | st.lists(st.sampled_from([b'{"id":"a"}', b"\n", b"[", b"\xff"])))
@settings(deadline=None, max_examples=250)
def test_any_bytes_are_read_or_refused(file, content):
    data = content if isinstance(content, bytes) else b"".join(content)
    file.write_bytes(data)
    refusal = ""
    try:
        records = read_journal(file, Score)
    except RunFolderError as error:
        refusal = str(error)
    if refusal:
        assert f"{file}, line " in refusal
    else:
        assert len(records) == data.count(b"\n")


@pytest.mark.parametrize(
    "damage",
    [b"{}", b"", b'{"id": 3}', b'{"id":"b","status":"fine"}', b'{"id":"\xff"}', b'{"id":"b"'],
)
def test_a_damaged_line_in_the_middle_is_refused_with_its_number(tmp_path, damage):
    path = tmp_path / "scores.jsonl"
    first, _, last = lines_of([Score("a"), Score("b"), Score("c")])
    path.write_bytes(first + damage + b"\n" + last)
    with pytest.raises(RunFolderError, match=r"scores\.jsonl, line 2: ") as caught:
        read_journal(path, Score)
    assert "delete that line" in str(caught.value)


def test_endless_nesting_is_a_damaged_line(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_bytes(b'{"id":"a","more":' + b"[" * 100_000 + b"\n")
    with pytest.raises(RunFolderError, match="line 1"):
        read_journal(path, Score)


def test_a_file_that_is_not_there_holds_no_records(tmp_path):
    assert read_journal(tmp_path / "none.jsonl", Score) == []


def test_a_torn_line_longer_than_a_block_is_cut_off_alone(tmp_path):
    path = tmp_path / "scores.jsonl"
    (first,) = lines_of([Score("a")])
    path.write_bytes(first + b'{"id":"b","note":"' + b"x" * 200_000)
    with Journal(path) as journal:
        journal.append(Score("c"))
    assert read_journal(path, Score) == [Score("a"), Score("c")]


def test_a_file_that_is_one_torn_line_becomes_empty(tmp_path):
    path = tmp_path / "scores.jsonl"
    path.write_bytes(b'{"id":"' + b"x" * 200_000)
    Journal(path).close()
    assert path.read_bytes() == b""


def test_a_record_can_be_read_as_soon_as_it_is_appended(tmp_path):
    path = tmp_path / "deep" / "down" / "scores.jsonl"
    with Journal(path) as journal:
        journal.append(Score("a"))
        assert read_journal(path, Score) == [Score("a")]


def test_line_ends_inside_a_text_do_not_end_its_line(tmp_path):
    path = tmp_path / "scores.jsonl"
    record = Score("a\nb\r\u2028\u0085", note="one\ntwo")
    with Journal(path) as journal:
        journal.append(record)
        journal.append(Score("c"))
    assert read_journal(path, Score) == [record, Score("c")]


def test_a_journal_that_cannot_be_opened_is_a_storage_error(tmp_path):
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(StorageError, match=r"folder\.jsonl cannot be written"):
        Journal(tmp_path / "folder.jsonl")
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        Journal(tmp_path / "file" / "scores.jsonl")


def test_a_whole_file_is_replaced_or_left_as_it_was(tmp_path):
    path = tmp_path / "run.json"
    write_json(path, {"a": 1})
    write_json(path, {"a": 2})
    assert msgspec.json.decode(path.read_bytes()) == {"a": 2}
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert msgspec.json.decode(path.read_bytes()) == {"a": 2}
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]


def test_a_whole_file_that_cannot_be_written_leaves_no_part_behind(tmp_path):
    (tmp_path / "run.json").mkdir()
    with pytest.raises(StorageError, match=r"run\.json cannot be written"):
        write_json(tmp_path / "run.json", {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.json"]
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_json(tmp_path / "file" / "run.json", {})
