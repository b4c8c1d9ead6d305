"""Temperature-based sampling: the formula, whole numbers, and fair repeats."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empeval import UsageError
from empeval_training.eq.mixing import mix, quotas, shares

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10**6), min_size=1)


@given(COUNTS, st.floats(0.2, 50))
def test_shares_are_the_formula_and_sum_to_one(counts, temperature):
    found = shares(counts, temperature)
    assert sum(found.values()) == pytest.approx(1)
    for one in counts:
        for other in counts:
            ratio = math.log(found[one]) - math.log(found[other])
            expected = (math.log(counts[one]) - math.log(counts[other])) / temperature
            assert ratio == pytest.approx(expected, abs=1e-6)


@given(COUNTS, st.floats(0.5, 10), st.integers(1, 10_000))
def test_quotas_are_whole_sum_up_and_are_within_one_of_the_share(counts, temperature, total):
    wanted = shares(counts, temperature)
    found = quotas(wanted, total)
    assert sum(found.values()) == total
    for name, number in found.items():
        assert abs(number - wanted[name] * total) < 1


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(1, 12), min_size=1),
    st.floats(0.5, 10),
    st.integers(1, 60),
    st.integers(0, 5),
)
def test_no_example_is_drawn_twice_more_than_another_of_its_source(
    counts, temperature, total, seed
):
    sources = {name: [(name, n) for n in range(count)] for name, count in counts.items()}
    mixture, portions = mix(sources, temperature, total, seed)
    assert len(mixture) == total
    for name, examples in sources.items():
        times = Counter(example for example in mixture if example[0] == name)
        assert sum(times.values()) == portions[name].drawn
        often = [times[example] for example in examples]
        assert max(often) - min(often) <= 1
    assert mix(sources, temperature, total, seed)[0] == mixture


def test_temperature_one_is_proportional_and_a_high_one_nearly_even():
    counts = {"large": 900, "small": 100}
    assert shares(counts, 1) == pytest.approx({"large": 0.9, "small": 0.1})
    assert shares(counts, 2) == pytest.approx({"large": 0.75, "small": 0.25})
    assert shares(counts, 1000)["small"] == pytest.approx(0.5, abs=0.002)


def test_without_a_total_the_mixture_is_as_large_as_all_sources_together():
    mixture, portions = mix({"a": list(range(30)), "b": list(range(10))}, 4, None, 1)
    assert len(mixture) == 40
    assert portions["b"].repeats > 1


@pytest.mark.parametrize(
    ("sources", "temperature", "total", "message"),
    [
        ({"a": [1]}, 0, None, "temperature is 0"),
        ({"a": [1]}, -1.0, None, "temperature is -1"),
        ({"a": [1]}, float("nan"), None, "temperature is nan"),
        ({"a": [1], "b": []}, 1, None, "no examples of b"),
        ({}, 1, None, "nothing to mix"),
        ({"a": [1]}, 1, 0, "cannot have 0 examples"),
    ],
)
def test_what_cannot_be_mixed_is_refused(sources, temperature, total, message):
    with pytest.raises(UsageError, match=message):
        mix(sources, temperature, total, 1)
