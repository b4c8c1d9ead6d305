"""A file may come from anybody: damage, bombs, odd encodings, what is no file."""

from __future__ import annotations

import gzip
import json
import os
import tracemalloc
import zipfile

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.logs import LAYOUTS, archive, inspect_eval, inspect_samples, lines

from empeval import DataError
from empeval.answers import archives, opening, read_answers
from empeval.testing import FakeTask

PAIRS = [(item, f"Answer {item.id}.") for item in FakeTask(count=4).items()]
GOOD = lines([{"id": 1, "response": "a"}])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "file"


def refused(path, content):
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_answers(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (GOOD.decode().encode("utf-16"), "UTF-16"),
        (b'id,response\n1,caf\xe9\n', "line 2: not UTF-8"),
        (b'[{"id": 1, "response": "caf\xe9"}]', "line 1: not UTF-8"),
        (b'[\n{"id": 1,\n "response": "a"}\n', "line 4: not valid JSON (the file seems cut off)"),
        (b'{\n "id": 1,\n oops\n}\n', "line 3: not valid JSON"),
        (b'{"a": ' * 50_000, "nested too deeply"),
        (b"[" * 50_000, "nested too deeply"),
        (b"[1, 2]", "element 1: not a JSON object"),
        (b"[]", "holds no answer"),
        (b"{}", "needs an 'id'"),
        (b'id,response\n1,"a\n', "quotation mark that is never closed"),
        (b"id,response\n1,a,b\n", "line 2: 3 fields, but the header names 2"),
        (b"id,response\n", "holds no answer"),
        (gzip.compress(GOOD), "packed with gzip; unpack it first"),
        (b"SQLite format 3\x00" + bytes(100), "is a database; write its answers"),
        (b"PAR1" + bytes(20), "cannot be read as Parquet"),
        (b"PK\x03\x04" + bytes(50), "is a damaged archive"),
        (archive({"a.txt": b"x"}), "no log of Inspect's"),
        (archive({"xl/workbook.xml": b"x"}), "is a spreadsheet; save its sheet as CSV"),
        (archive({"header.json": b'{"eval": {}}', "samples/1_epoch_1.json": b"{"}), "cut off"),
        (archive({"header.json": b'{"eval": {}}'}), "an Inspect log without samples"),
        (archive({"header.json": b"[]", "samples/1_epoch_1.json": b"[]"}), "sample 1: not a JSON"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_a_sentence(content, reason, path):
    assert reason in refused(path, content)


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, 93])
def test_an_archive_cut_or_changed_anywhere_is_refused_or_read_whole(method, path):
    whole = inspect_eval(PAIRS, method)
    path.write_bytes(whole)
    expected = [answer.text for answer in read_answers(path).answers]
    assert len(expected) == 4
    for offset in range(0, len(whole), len(whole) // 40):
        for damaged in (whole[:offset], whole[:offset] + b"\xff\xff" + whole[offset + 2 :]):
            path.write_bytes(damaged)
            try:
                got = [answer.text for answer in read_answers(path).answers]
            except DataError as error:
                assert str(path) in str(error)  # noqa: PT017 - it may be read as well
            else:
                assert got == expected[: len(got)]


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, 93])
def test_an_archive_that_unpacks_to_too_much_is_refused_before_it_is_there(
    method, path, monkeypatch
):
    monkeypatch.setattr(archives, "MOST_UNPACKED", 1 << 20)
    sample = inspect_samples(PAIRS[:1])[0] | {"events": "0" * (24 << 20)}
    files = {"header.json": b'{"eval": {}}', "samples/1_epoch_1.json": json.dumps(sample).encode()}
    packed = archive(files, method)
    del sample, files["samples/1_epoch_1.json"]
    assert len(packed) < 1 << 16
    tracemalloc.start()
    assert "unpacked, the archive is larger" in refused(path, packed)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 << 20


@pytest.mark.parametrize("offset", [16, 24])  # of the checksum, of the size unpacked
def test_an_archive_whose_directory_lies_about_an_entry_is_refused(offset, path):
    whole = bytearray(inspect_eval(PAIRS, 93))
    entry = whole.rindex(b"PK\x01\x02") + offset  # of header.json
    whole[entry : entry + 4] = (5).to_bytes(4, "little")
    assert "damaged archive" in refused(path, bytes(whole))


def test_names_in_an_archive_lead_nowhere(path, tmp_path):
    sample = json.dumps(inspect_samples(PAIRS[:1])[0]).encode()
    path.write_bytes(archive({"header.json": b'{"eval": {}}', "samples/../../evil.json": sample}))
    assert len(read_answers(path).answers) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file"]


def test_a_file_that_is_too_large_is_refused_unread(path, monkeypatch):
    monkeypatch.setattr(opening, "LARGEST", 1 << 16)
    with open(path, "wb") as file:
        file.truncate((1 << 16) + 1)
    with pytest.raises(DataError, match=r"read up to .*split -C 1G"):
        read_answers(path)


@pytest.mark.parametrize(
    "columns",
    [{"id": range(100), "response": ["x" * 100_000] * 100}, {"id": [None] * 30_000}],
)
def test_a_parquet_file_that_unpacks_to_too_much_is_refused_on_the_way(columns, path, monkeypatch):
    monkeypatch.setattr(opening, "LARGEST", 5 << 20)
    pyarrow.parquet.write_table(pyarrow.table({k: list(v) for k, v in columns.items()}), path)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DataError, match=r"file unpacks to more than is read\. Split it"):
        read_answers(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs on this system")
def test_a_fifo_is_refused_and_never_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(DataError, match="it is a FIFO, not a regular file"):
        read_answers(path)


def test_a_folder_and_a_missing_file_are_refused(path):
    with pytest.raises(DataError, match="No such file"):
        read_answers(path)
    path.mkdir()
    with pytest.raises(DataError, match="it is a folder"):
        read_answers(path)


@pytest.mark.parametrize("text", ["x" * 3_000_000, "\ufeffwith a mark", "\ud83d half", "a\x00b"])
def test_odd_texts_are_read_from_every_kind_of_file(text, path):
    expected = text.encode("utf-8", "replace").decode()
    row = json.dumps({"id": 1, "response": text})
    contents = [
        row,
        f"[{row}]",
        f"\ufeff{row}\n",
        json.dumps([{"id": 1, "response": text}], indent=1),
    ]
    if "\x00" not in text:  # which no CSV reader takes
        contents.append(f'id,response\n1,"{expected}"\n')
    for content in contents:
        path.write_bytes(content.encode())
        assert [a.text for a in read_answers(path).answers] == [expected]


def test_rows_that_are_written_over_several_lines_are_one_document(path):
    path.write_text(json.dumps({"id": 1, "response": "a"}, indent=2))
    assert [a.text for a in read_answers(path).answers] == ["a"]


NAMES = """
id response messages role content conversations from value doc_id resps eval samples output choices
message custom_id body error results prompt provider vars iterations respondent_answers raw_results
conversation_id model
"""
names = st.sampled_from(NAMES.split())
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(values)
@settings(deadline=None, max_examples=150)
def test_any_json_is_read_or_refused_with_the_name_of_the_file(tmp_path_factory, value):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(value))
    try:
        read_answers(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017 - it may be read as well


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_file_of_any_layout_that_was_damaged_is_read_or_refused(name, path):
    whole = LAYOUTS[name](PAIRS)
    for offset in range(1, len(whole), max(1, len(whole) // 25)):
        for damaged in (whole[:offset], whole[:offset] + b'\xff"' + whole[offset:]):
            path.write_bytes(damaged)
            try:
                read_answers(path)
            except DataError as error:
                assert str(path) in str(error)  # noqa: PT017 - it may be read as well
