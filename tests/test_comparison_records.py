"""The JSON of comparisons: its version, its shape, and what is still read of the last one."""

from __future__ import annotations

import copy
import json
import math

import msgspec
import pytest
from support.made_runs import make_run, normal

from empeval import Run
from empeval.comparing.many import ManyRuns, compare_many
from empeval.comparing.records import Comparison, Difference
from empeval.comparing.two import compare
from empeval.gating.passed import find_base, read_note
from empeval.schemas import schema


@pytest.fixture
def runs(tmp_path):
    targets = [{"emotion": ("sad", "proud")[n % 2]} for n in range(40)]
    return [
        make_run(
            tmp_path / name,
            [v if n else None for n, v in enumerate(normal(40, k))],
            answers=["word " * (1 + (n * k) % 7) for n in range(40)],
            targets=targets,
        )
        for k, name in enumerate("abc", 1)
    ]


@pytest.fixture
def comparison(runs):
    return compare(*runs[:2], margins=0.5, resamples=200)


def test_a_comparison_comes_back_from_json_and_fits_its_schema(comparison, runs):
    import jsonschema

    text = msgspec.json.encode(comparison)
    assert msgspec.json.decode(text, type=Comparison) == comparison
    jsonschema.validate(json.loads(text), schema("comparison"))
    many = compare_many(runs, resamples=200)
    assert msgspec.json.decode(msgspec.json.encode(many), type=ManyRuns) == many
    with pytest.raises(msgspec.ValidationError, match="schema"):
        msgspec.json.decode(text.replace(b'"schema":2', b'"schema":1'), type=Comparison)


def test_every_interval_of_a_comparison_has_one_shape(comparison):
    (d,) = json.loads(msgspec.json.encode(comparison))["differences"]
    shape = {"value", "standard_error", "interval", "n", "clusters", "n_failed"}
    estimates = [d["change"], d["at_equal_length"]["change"]]
    estimates += [part.change for part in comparison.slices]
    estimates += [rate.change for rate in comparison.rates]
    for one in map(msgspec.to_builtins, estimates):
        assert set(one) == shape
        assert set(one["interval"]) == {"low", "high", "level", "method"}
    assert (d["change"]["n"], d["change"]["n_failed"]) == (39, 1)
    assert d["sides"]["base"]["failed"] == d["sides"]["base"]["unscored"] == 1


def test_the_flat_names_of_schema_1_are_read_with_a_notice(comparison, runs):
    (d,) = comparison.differences
    (matrix,) = compare_many(runs, resamples=200).matrices
    records = [d, comparison.slices[0], comparison.rates[0], matrix.ranking[0]]
    for record in records:
        for old, path in type(record).MOVED.items():
            with pytest.warns(DeprecationWarning, match=rf"\.{old} is \.{path}"):
                found = getattr(record, old)
            expected = record
            for step in path.split("."):
                expected = getattr(expected, step)
            assert found == expected
    flat = {"difference", "ci_low", "ci_high", "n", "base", "candidate", "p", "p_holm", "needed"}
    assert flat <= Difference.MOVED.keys()
    assert copy.deepcopy(d) == d


def test_a_field_that_never_was_is_no_field(comparison):
    (d,) = comparison.differences
    with pytest.raises(AttributeError, match="Difference has no field 'warmth'"):
        d.warmth  # noqa: B018


def test_what_lies_in_a_record_that_is_not_there_is_none(runs):
    one = make_run(runs[0].path.parent / "one", [1.0, 2.0], clusters=["same", "same"])
    (d,) = compare(one, one, resamples=100).differences
    assert d.change.interval is None
    assert d.at_equal_length is None
    with pytest.warns(DeprecationWarning, match="since schema 2"):
        assert (d.ci_low, d.length_adjusted) == (None, None)
    assert not math.isnan(d.change.value)


def test_a_note_of_an_older_version_still_names_the_base(runs, tmp_path):
    old = {"schema": 1, "outcome": "pass", "when": "2026-01-02T03:04:05+00:00", "base": "x",
           "policy": "gate.toml"}  # fmt: skip
    (runs[0].path / "gate.json").write_text(json.dumps(old))
    assert read_note(runs[0].path).outcome == "pass"
    assert find_base("latest-passed", tmp_path, Run(runs[1].path)).path == runs[0].path
