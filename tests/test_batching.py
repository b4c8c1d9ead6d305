from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from empeval.batching import by_length


@given(st.lists(st.integers(0, 60), max_size=40), st.integers(1, 100))
def test_batches_hold_every_row_once_within_the_budget(lengths, budget):
    batches = list(by_length(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget
    walked = [lengths[i] for batch in batches for i in batch]
    assert walked == sorted(walked)
