"""One set of rules for JSONL, whoever reads it."""

from __future__ import annotations

import gzip

import msgspec
import pytest

from empeval import DataError, RunFolderError, read_rows
from empeval.jsonl import read_objects
from empeval.runs import read_journal


class Row(msgspec.Struct):
    n: object = None


def objects(path):
    return [row for _, row in read_objects(path)]


def zipped(path):
    packed = path.with_name("a.jsonl.gz")
    packed.write_bytes(gzip.compress(path.read_bytes()))
    return read_rows(packed)


PEOPLES = {"objects": objects, "rows": read_rows, "rows in gzip": zipped}


@pytest.fixture
def file(tmp_path):
    return tmp_path / "a.jsonl"


@pytest.mark.parametrize("read", PEOPLES.values(), ids=PEOPLES)
@pytest.mark.parametrize(
    "data",
    [
        b'{"n":1}\n{"n":2}\n',
        b'\xef\xbb\xbf{"n":1}\n{"n":2}',
        b'\n \n{"n": 1}\r\n\n{"n":2}\r\n\n',
    ],
)
def test_marks_blank_lines_and_a_missing_end_are_forgiven_in_peoples_files(file, read, data):
    file.write_bytes(data)
    assert read(file) == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize("read", PEOPLES.values(), ids=PEOPLES)
def test_text_that_cannot_be_written_again_is_replaced(file, read):
    file.write_bytes(b'{"n":"a\\ud800b","\\udc00":["\\ud800\\udc00"]}\n')
    assert read(file) == [{"n": "a?b", "?": ["\U00010000"]}]


BAD = {
    b'{"n": NaN}': "not valid JSON .NaN is no JSON",
    b'{"n": -Infinity}': "not valid JSON .-Infinity is no JSON",
    b'{"n": 1e999}': "not valid JSON .1e999 is no JSON",
    b'{"n": 1': "not valid JSON",
    b'{"n": "\xff"}': "not UTF-8 .byte 8 of the line",
    b'{"n":' + b"[" * 100_000: "nested too deeply",
    b"[1]": "not a JSON object",
    b"7": "not a JSON object",
    b'{"n": ' + b"9" * 5000 + b"}": "not valid JSON",
}


@pytest.mark.parametrize("read", PEOPLES.values(), ids=PEOPLES)
@pytest.mark.parametrize("bad", BAD, ids=[b[:12].decode(errors="replace") for b in BAD])
def test_every_reader_of_peoples_files_says_the_same_of_a_line(file, read, bad):
    file.write_bytes(b'{"n":1}\n\n' + bad + b'\n{"n":2}\n')
    with pytest.raises(DataError, match=rf"a\.jsonl(\.gz)?, line 3: {BAD[bad]}"):
        read(file)


@pytest.mark.parametrize("read", PEOPLES.values(), ids=PEOPLES)
def test_a_peoples_file_that_is_cut_off_is_refused(file, read):
    file.write_bytes(b'{"n":1}\n{"n":')
    with pytest.raises(DataError, match=r"line 2: not valid JSON, .* the file seems cut off"):
        read(file)


@pytest.mark.parametrize("bad", [b"", b" ", b"\xef\xbb\xbf{}", b"[1]", b"{", b'{"n": NaN}'])
def test_nothing_is_forgiven_in_a_journal_but_its_torn_end(file, bad):
    file.write_bytes(b'{"n":1}\n{"n":')
    assert read_journal(file, Row) == [Row(1)]
    file.write_bytes(b'{"n":1}\n' + bad + b'\n{"n":2}\n')
    with pytest.raises(RunFolderError, match=r"a\.jsonl, line 2: .* delete that line"):
        read_journal(file, Row)
