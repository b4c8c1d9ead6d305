"""Options as people type them become keys and values, or a sentence about what is wrong."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empeval import UsageError
from empeval.pairs import parse_pairs, split_task_arguments

keys = st.text(
    st.characters(exclude_characters="=,\\{", exclude_categories=["Cs"]), min_size=1
).map(str.strip)
values = (
    st.text(max_size=8)
    .map(str.strip)
    .filter(lambda text: not text.endswith("\\") and text[:1] not in ("'", '"', "[", "{"))
)


@given(st.dictionaries(keys.filter(bool), values, max_size=4))
def test_pairs_that_are_written_with_escaped_commas_come_back(pairs):
    text = ",".join(f"{k}={v}".replace(",", "\\,") for k, v in pairs.items())
    assert parse_pairs(text, "--model-args") == pairs


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        (None, {}),
        ("", {}),
        (" , ,", {}),
        ("a=1", {"a": "1"}),
        (" a = 1 , b = x y ", {"a": "1", "b": "x y"}),
        ("a=b=c", {"a": "b=c"}),
        ("a=", {"a": ""}),
        ("a=1\\,2,b=3", {"a": "1,2", "b": "3"}),
        ('a="1, 2",b=3', {"a": "1, 2", "b": "3"}),
        ("a = 'x=\\'1\\', 2' , b=3", {"a": "x='1', 2", "b": "3"}),
        ('a=say "hi",b=3', {"a": 'say "hi"', "b": "3"}),
        ('a="x" y,b=3', {"a": '"x" y', "b": "3"}),
        ('a={"x": [1, 2]},b=3', {"a": '{"x": [1, 2]}', "b": "3"}),
        (
            '{"a": "1, 2", "b": {"c": [1, null]}, "d": true}',
            {"a": "1, 2", "b": '{"c":[1,null]}', "d": "true"},
        ),
        (["a=1,b=2", '{"c": 3}', "d='4,5'"], {"a": "1", "b": "2", "c": "3", "d": "4,5"}),
    ],
)
def test_pairs_are_read_as_a_person_means_them(text, pairs):
    assert parse_pairs(text, "--model-args") == pairs


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("nonsense", "--model-args: 'nonsense' is not of the form key=value"),
        ("a=1,nonsense", "'nonsense' is not of the form key=value"),
        ("=1", "'=1' is not of the form key=value"),
        ("a=1,a=2", "'a' is given twice"),
        (["a=1", "a=2"], "'a' is given twice"),
        ('{"a": 1, "a": 2}', "'a' is given twice"),
        ('{"a": 1', "it begins like JSON and is none"),
        ('{"": 1}', "a key of the JSON object is empty"),
        ("a=[1, 2", "'2' is not of the form key=value"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(text, reason):
    with pytest.raises(UsageError, match=reason):
        parse_pairs(text, "--model-args")


@given(st.text())
def test_any_text_is_read_as_pairs_or_refused(text):
    try:
        pairs = parse_pairs(text, "--task-args")
    except UsageError:
        return
    assert all(key and "=" not in key for key in pairs)


@given(st.dictionaries(st.text(min_size=1).filter(str.strip), st.text(), max_size=4))
def test_pairs_that_are_written_as_json_come_back(pairs):
    assert parse_pairs(json.dumps(pairs), "--model-args") == pairs


def test_task_options_go_to_their_tasks():
    split = split_task_arguments({"a.x": "1", "b.x": "2", "a.y": "3"}, ["a", "b", "c"])
    assert split == {"a": {"x": "1", "y": "3"}, "b": {"x": "2"}, "c": {}}
    assert split_task_arguments({"x": "1", "a.y": "2"}, ["a"]) == {"a": {"x": "1", "y": "2"}}
    assert split_task_arguments({"d.i/a.x": "1"}, ["d.i/a", "b"])["d.i/a"] == {"x": "1"}


@pytest.mark.parametrize(
    ("pairs", "tasks", "reason"),
    [
        ({"x": "1"}, ["a", "b"], "'x' names no task; write TASK.option=value"),
        ({"days.x": "1"}, ["day"], "task 'days', which is not among --tasks.*Did you mean 'day'"),
    ],
)
def test_task_options_of_no_asked_task_are_refused(pairs, tasks, reason):
    with pytest.raises(UsageError, match=reason):
        split_task_arguments(pairs, tasks)
