from __future__ import annotations

import csv
import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from empeval import DataError, UsageError, data_directory, load_rows
from empeval.data import require_columns, rows_fingerprint, use_data_directory

NAME = "org/set"
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
values = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | text
objects = st.dictionaries(text, values | st.lists(values, max_size=3), max_size=4)
Mirror = Callable[..., Path]


@pytest.fixture(autouse=True)
def _no_mirror_by_accident(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMPEVAL_DATA", raising=False)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mirror:
    """Writes files of the data set ``org/set`` into a mirror that is in force."""

    def write(**files: bytes | str) -> Path:
        for name, content in files.items():
            path = tmp_path / "org" / "set" / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
        return tmp_path

    return write


def test_the_first_pattern_that_matches_wins_and_all_its_files_are_read_in_order(mirror: Mirror):
    mirror(b_jsonl='{"n": 2}\n', a_jsonl='{"n": 1}\n', c_csv="n\n3\n")
    assert load_rows(NAME, ["missing.csv", "*.jsonl", "*.csv"]) == [{"n": 1}, {"n": 2}]


def test_a_star_does_not_reach_into_folders(mirror: Mirror):
    mirror(sub__a_jsonl='{"n": 1}\n', b_jsonl='{"n": 2}\n')
    assert load_rows(NAME, ["*.jsonl"]) == [{"n": 2}]
    assert load_rows(NAME, ["*/*.jsonl"]) == [{"n": 1}]


def test_gzip_files_are_read_like_plain_ones(mirror: Mirror):
    mirror(a_csv_gz=gzip.compress(b"n,m\n1,x\n"), b_jsonl_gz=gzip.compress(b'{"n": 1}'))
    assert load_rows(NAME, ["a.csv.gz"]) == [{"n": "1", "m": "x"}]
    assert load_rows(NAME, ["b.jsonl.gz"]) == [{"n": 1}]


def test_json_holds_a_list_or_an_object_a_line(mirror: Mirror):
    mirror(a_json='\n[{"n": 1},\n {"n": 2}]\n', b_json='{"n": 1}\n\n{"n": 2}\n')
    assert load_rows(NAME, ["a.json"]) == load_rows(NAME, ["b.json"]) == [{"n": 1}, {"n": 2}]


def test_a_byte_order_mark_is_no_part_of_the_first_column(mirror: Mirror):
    mirror(a_csv=b"\xef\xbb\xbfn\n1\n", b_jsonl=b'\xef\xbb\xbf{"n": "1"}\n')
    assert load_rows(NAME, ["a.csv"]) == load_rows(NAME, ["b.jsonl"]) == [{"n": "1"}]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(text, text), max_size=5))
def test_csv_gives_back_the_text_that_was_written(tmp_path_factory, rows):
    folder = tmp_path_factory.getbasetemp() / "csv"
    (folder / NAME).mkdir(parents=True, exist_ok=True)
    with open(folder / NAME / "a.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("x", "y"), *rows])
    with use_data_directory(folder):
        assert load_rows(NAME, ["a.csv"]) == [{"x": x, "y": y} for x, y in rows]


@settings(max_examples=60, deadline=None)
@given(st.lists(objects, max_size=5), st.booleans())
def test_json_lines_give_back_the_objects_that_were_written(tmp_path_factory, rows, ascii_only):
    folder = tmp_path_factory.getbasetemp() / "jsonl"
    (folder / NAME).mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in rows]
    (folder / NAME / "a.jsonl").write_text("".join(lines), encoding="utf-8", newline="")
    with use_data_directory(folder):
        assert load_rows(NAME, ["a.jsonl"]) == rows


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="counts threads in /proc")
def test_reading_parquet_leaves_no_thread_behind(tmp_path: Path):
    pyarrow.parquet.write_table(pyarrow.table({"text": ["a", "b"]}), tmp_path / "a.parquet")
    program = (
        "import os, sys, pathlib, pyarrow.parquet\n"
        "from empeval import read_rows\n"
        "threads = lambda: len(os.listdir('/proc/self/task'))\n"
        "before = threads()\n"
        "rows = read_rows(pathlib.Path(sys.argv[1]))\n"
        "print(len(rows), threads() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "a.parquet")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["2", "0"]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(text, st.integers(-(2**31), 2**31 - 1)), min_size=1, max_size=5))
def test_parquet_keeps_text_and_numbers(tmp_path_factory, rows):
    folder = tmp_path_factory.getbasetemp() / "parquet"
    (folder / NAME).mkdir(parents=True, exist_ok=True)
    table = [{"x": x, "n": n} for x, n in rows]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(table), folder / NAME / "a.parquet", compression="none"
    )
    with use_data_directory(folder):
        assert load_rows(NAME, ["a.parquet"]) == table


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("a_jsonl", b'{"n": 1}\n\n{"n": 2\n', r"a\.jsonl, line 3: not valid JSON"),
        ("a_jsonl", b'{"n": 1}\n{"n": NaN}\n', r"a\.jsonl, line 2: not valid JSON"),
        ("a_jsonl", b'{"n": 1}\n{"n": "\xff"}\n', r"a\.jsonl, line 2: not UTF-8"),
        ("a_jsonl", b'{"n": 1}\n3\n', r"a\.jsonl, line 2: not a JSON object"),
        ("a_json", b'[{"n": 1},\n {"n": 2},\n oops]', r"a\.json, line 3: not valid JSON"),
        ("a_json", b'[{"n": 1},\n "\xff"]', r"a\.json, line 2: not UTF-8"),
        ("a_json", b'[{"n": 1},\n {"n": 2', r"a\.json, line 2: not valid JSON"),
        ("a_json", b'[{"n": 1}, 2]', r"a\.json, element 2: a row must be a JSON object"),
        ("a_csv", b"n,m\n1,2\n3\n", r"a\.csv, line 3: 1 field, but the header names 2 columns"),
        ("a_csv", b"n\n1\n\xff\n", r"a\.csv, line 3: not UTF-8"),
        ("a_csv", b'n\n"1\n2\n', r"a\.csv, line 3: .*quotation mark that is never closed"),
        ("a_csv", b"n,n\n1,2\n", r"a\.csv, line 1: the column 'n' comes twice"),
        ("a_csv", b"", r"a\.csv is empty"),
        (
            "a_csv_gz",
            gzip.compress(b"n\n1\n" * 99, mtime=0)[:-9],
            r"a\.csv\.gz is no whole gzip file",
        ),
        ("a_csv_gz", b"n\n1\n", r"a\.csv\.gz is no whole gzip file"),
        ("a_parquet", b"PAR1 nothing", r"a\.parquet cannot be read as Parquet"),
        ("a_xlsx", b"?", r"a\.xlsx is of no known format"),
    ],
)
def test_a_broken_file_is_an_error_that_names_file_and_line(
    mirror: Mirror, name: str, content: bytes, complaint: str
):
    mirror(**{name: content})
    with pytest.raises(DataError, match=complaint):
        load_rows(NAME, ["a.*"])


def test_without_a_setting_there_is_no_data_directory():
    assert data_directory() is None


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("EMPEVAL_DATA", "")
    assert data_directory() is None


def test_data_dir_goes_before_the_variable_and_only_inside_its_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "a").mkdir()
    monkeypatch.setenv("EMPEVAL_DATA", str(tmp_path))
    with use_data_directory(tmp_path / "a"):
        assert data_directory() == tmp_path / "a"
        with use_data_directory(None):
            assert data_directory() == tmp_path / "a"
    assert data_directory() == tmp_path


@pytest.mark.parametrize("made", [True, False])
def test_a_data_directory_that_is_no_folder_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: bool
):
    path = tmp_path / "file"
    if made:
        path.write_text("")
    complaint = "is not a folder" if made else "does not exist"
    monkeypatch.setenv("EMPEVAL_DATA", str(path))
    with pytest.raises(UsageError, match=f"EMPEVAL_DATA .*file {complaint}"):
        data_directory()
    with (
        pytest.raises(UsageError, match=f"--data-dir .*file {complaint}"),
        use_data_directory(path),
    ):
        pass


def test_missing_columns_are_named_with_those_that_exist():
    rows = [{"a": 1, "b": 2, "c": 3}, {"b": 2, "z": 3}]
    require_columns(rows, ["b"], NAME)
    with pytest.raises(DataError, match=r"'org/set', row 2: no column a, c; it has b, z\."):
        require_columns(rows, ["a", "b", "c"], NAME)


def test_a_data_set_without_rows_is_an_error():
    with pytest.raises(DataError, match="'org/set' has no rows"):
        require_columns([], ["a"], NAME)


@settings(deadline=None)
@given(st.lists(objects, max_size=5))
def test_the_fingerprint_does_not_depend_on_the_order_of_keys(rows):
    turned = [dict(reversed(row.items())) for row in rows]
    assert rows_fingerprint(turned) == rows_fingerprint(rows) == rows_fingerprint(iter(rows))


@settings(deadline=None)
@given(st.lists(objects, max_size=4), st.lists(objects, max_size=4))
def test_other_rows_or_another_order_give_another_fingerprint(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (rows_fingerprint(one) == rows_fingerprint(other)) == same


def test_the_fingerprint_is_sha256_over_a_line_of_json_with_sorted_keys_per_row():
    lines = '{"a":[1,null],"b":"é"}\n{}\n'.encode()
    expected = f"sha256:{hashlib.sha256(lines).hexdigest()}"
    assert rows_fingerprint([{"b": "é", "a": [1, None]}, {}]) == expected
