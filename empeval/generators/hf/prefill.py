"""Reads the prompts of a batch into a cache, and what several of them begin with only once.

A row whose beginning another row of the batch has, too, takes the states of that beginning from it
and computes the rest; others may take theirs from it in turn, as when all rows begin with the same
instructions and some of them with the same dialogue behind these. Rows are read in small batches of
nearly one length, whose states are then put together in one cache, padded on the left, from which
all of them are continued together.
"""

from __future__ import annotations

import inspect
from bisect import bisect, insort
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import msgspec

from empeval.generators.hf.batches import (
    LEAST_SHARED,
    MAX_PADDING,
    common_prefix,
    cut_batches,
)

READ_AT_ONCE = {"cpu": 8_192, "gpu": 32_768}
"""Tokens that are read in one pass, padding included."""
HELD_AT_ONCE = {"cpu": 65_536, "gpu": 524_288}
"""Tokens whose states a pass holds: a row brings those of its beginning along, however short the
rest of it that is read."""
REST_PADDING = 0.25
"""Padding of a pass over rests of rows: they are short, and a pass has a price of its own."""


class Shared(msgspec.Struct, frozen=True):
    """What a row takes from another.

    Attributes:
        donor: index of the other row, which is read before; ``None``: no row.
        length: tokens at the beginning that both have.
    """

    donor: int | None = None
    length: int = 0


def share(rows: Sequence[Sequence[int]], computed: Sequence[int]) -> list[Shared]:
    """Which rows take their beginning from which others.

    Longer rows come first. Each takes the longest beginning that it shares with one of them, if
    that is worth it; or nearly as much from one that takes less itself, so that it is read earlier,
    with more beside it.

    Args:
        rows: token ids.
        computed: tokens at the end of each row that are computed in any case.
    """
    found = [Shared()] * len(rows)
    earlier: list[tuple[tuple[int, ...], int]] = []  # sorted: what begins alike stands together
    for index in sorted(range(len(rows)), key=lambda i: -len(rows[i])):
        row = tuple(rows[index])
        most = len(row) - computed[index]
        place = bisect(earlier, (row, index))
        near = [
            Shared(other, min(common_prefix(row, tokens), most))
            for tokens, other in earlier[max(0, place - 1) : place + 1]
        ]
        best = max(near, key=lambda part: part.length, default=Shared())
        if best.length >= max(LEAST_SHARED, len(row) // 8):
            found[index] = _from_further_up(best, found)
        insort(earlier, (row, index))
    return found


def _from_further_up(best: Shared, found: Sequence[Shared]) -> Shared:
    """The same from a donor of the donor, where that costs a few tokens at most."""
    part = best
    while part.donor is not None and (above := found[part.donor]).donor is not None:
        length = min(part.length, above.length)
        if length <= best.length - LEAST_SHARED:
            break
        part = Shared(above.donor, length)
    return part


class Pass(msgspec.Struct, frozen=True):
    """Rows that are read together.

    Attributes:
        rows: their indices.
        width: tokens that are computed of each, at its end; padding where a row is shorter.
    """

    rows: tuple[int, ...]
    width: int


def passes(
    rows: Sequence[Sequence[int]],
    shared: Sequence[Shared],
    *,
    padding: bool = True,
    budget: int = READ_AT_ONCE["cpu"],
    held: int = HELD_AT_ONCE["cpu"],
) -> list[Pass]:
    """In which passes rows are read: a row behind the one that it takes from.

    A row with nothing left to compute is in none.

    Args:
        rows: token ids.
        shared: what each takes from another.
        padding: whether rows of one pass may differ in length.
        budget: tokens of a pass.
        held: tokens of a pass and of the beginnings of its rows; a row may have more by itself.
    """
    planned: list[Pass] = []
    rest = [len(row) - part.length for row, part in zip(rows, shared, strict=True)]
    steps = [_steps(index, shared) for index in range(len(rows))]
    for step in range(max(steps, default=0) + 1):
        those = [index for index in range(len(rows)) if steps[index] == step and rest[index]]
        most = REST_PADDING if step else MAX_PADDING
        cut = cut_batches(
            [(rest[index], index) for index in those],
            budget=budget,
            new_tokens=0,
            max_rows=len(rows),
            max_padding=most if padding else 0.0,
        )
        for batch in cut:
            for piece in _holding([len(rows[index]) for index in batch], held):
                some = batch[piece]
                planned.append(Pass(tuple(some), rest[some[0]]))
    return planned


def _holding(lengths: Sequence[int], held: int) -> Iterator[slice]:
    """Neighbours that hold no more than so many tokens, each padded to the longest of them."""
    first = longest = 0
    for index, length in enumerate(lengths):
        longest = max(longest, length)
        if index > first and longest * (index + 1 - first) > held:
            yield slice(first, index)
            first, longest = index, length
    yield slice(first, len(lengths))


def _steps(index: int, shared: Sequence[Shared]) -> int:
    """How many rows are read, one from the other, before this one."""
    count = 0
    while (donor := shared[index].donor) is not None:
        index, count = donor, count + 1
    return count


class States:
    """Keys and values of some rows, layer by layer, each row at the right end of its columns.

    Args:
        rows: those that are kept, by their indices.
        room: columns.
    """

    def __init__(self, rows: Collection[int], room: int) -> None:
        self.slots = {index: slot for slot, index in enumerate(rows)}
        self.room = room
        self.layers: list[tuple[Any, Any]] = []

    def put(self, indices: Sequence[int], source: Any) -> None:
        """Keep the rows of a cache, which are those of ``indices``, as far as they are kept.

        With them comes what stands before their beginnings, which nothing may look at.
        """
        rows = [row for row, index in enumerate(indices) if index in self.slots]
        if not rows:
            return
        if not self.layers:
            self.layers = [(self._empty(y.keys), self._empty(y.values)) for y in source.layers]
        slots = [self.slots[indices[row]] for row in rows]
        for kept, layer in zip(self.layers, source.layers, strict=True):
            for target, new in zip(kept, (layer.keys, layer.values), strict=True):
                part = new if len(rows) == len(indices) else new[rows]
                target[slots, :, self.room - new.shape[2] :] = part

    def copy(self, copies: Sequence[tuple[int, int, int, int]]) -> None:
        """Keep beginnings of rows as rows of their own.

        Args:
            copies: of each (its index, how many tokens it has, the other's index, how many that
                has).
        """
        found = self._beginnings([(donor, length, whole) for _, length, donor, whole in copies])
        slots = [self.slots[index] for index, *_ in copies]
        for kept, parts in zip(self.layers, found, strict=True):
            for target, part in zip(kept, parts, strict=True):
                target[slots, :, self.room - part.shape[2] :] = part

    def beginnings(self, wanted: Sequence[tuple[int | None, int, int]]) -> Any:
        """A cache with the beginnings of rows, padded on the left.

        Args:
            wanted: of each (its index or ``None``, how many tokens of it, how many it has).
        """
        return _cache(list(self._beginnings(wanted)))

    def _beginnings(self, wanted: Sequence[tuple[int | None, int, int]]) -> Iterator[Any]:
        """Keys and values of each layer; before a beginning stands what nothing may look at."""
        import torch

        width = max(length for _, length, _ in wanted)
        device = self.layers[0][0].device
        slots = [0 if index is None else self.slots[index] for index, *_ in wanted]
        firsts = [self.room - whole + length - width for _, length, whole in wanted]
        row = torch.tensor(slots, device=device)[:, None]
        column = torch.tensor(firsts, device=device)[:, None] + torch.arange(width, device=device)
        column = column.clamp(0, self.room - 1)
        for kept in self.layers:
            keys, values = (t.transpose(1, 2)[row, column].transpose(1, 2) for t in kept)
            yield keys, values

    def _empty(self, like: Any) -> Any:
        _, heads, _, size = like.shape
        return like.new_zeros((len(self.slots), heads, self.room, size))


class Reader:
    """Reads rows with one model.

    Args:
        model: a causal language model of transformers.
        filler: a token that the model knows, for masked positions.
        padding: whether the model can tell padding from text.

    Attributes:
        shares: whether rows can take their beginnings from others: the model's cache holds keys
            and values of all tokens and nothing else.
    """

    def __init__(self, model: Any, filler: int, *, padding: bool = True) -> None:
        self.model = model
        self.filler = filler
        self.padding = padding
        parameters = set(inspect.signature(model.forward).parameters)
        self._positions = "position_ids" in parameters
        self._keeps = "logits_to_keep" in parameters
        self.shares = padding and can_share(type(model), model.config)
        where = "cpu" if model.device.type == "cpu" else "gpu"
        self._at_once, self._held = READ_AT_ONCE[where], HELD_AT_ONCE[where]

    def cache(self, rows: Sequence[Sequence[int]]) -> Any:
        """A cache of all tokens of each row but the last, for ``generate`` to go on from.

        Args:
            rows: token ids, at least one each.

        Returns:
            ``max(len(row)) - 1`` columns, each row at their right end; ``None`` where ``generate``
            does as well by itself: nothing is shared and one pass reads all.
        """
        import torch

        if not self.shares:
            return None
        read = [row[:-1] for row in rows]
        shared = share(read, [0] * len(rows))
        planned = passes(read, shared, budget=self._at_once, held=self._held)
        if len(planned) < 2 and all(part.donor is None for part in shared):
            return None
        states = States(range(len(rows)), max(map(len, read)))
        with torch.inference_mode():
            for _ in self._run(read, shared, planned, states, [1] * len(read)):
                pass
            copies = [
                (index, part.length, part.donor, len(read[part.donor]))
                for index, (row, part) in enumerate(zip(read, shared, strict=True))
                if part.donor is not None and len(row) == part.length
            ]
            if copies:
                states.copy(copies)
            return _cache(states.layers)

    def logits(
        self, rows: Sequence[Sequence[int]], wanted: Sequence[int]
    ) -> Iterator[tuple[int, Any]]:
        """Yield (index, logits) of each row, in any order.

        Args:
            rows: token ids, at least one each.
            wanted: at how many tokens at the end of each row, at least one.

        Yields:
            Logits of shape (wanted, vocabulary) in float32; the last is of the token to come.
        """
        nothing = [Shared()] * len(rows)
        shared = share(rows, wanted) if self.shares else nothing
        planned = passes(rows, shared, padding=self.padding, budget=self._at_once, held=self._held)
        donors = sorted({part.donor for part in shared if part.donor is not None})
        states = States(donors, max(map(len, rows)))
        for one, logits in self._run(rows, shared, planned, states, wanted):
            for row, index in enumerate(one.rows):
                yield index, logits[row, logits.shape[1] - wanted[index] :].float()

    def _run(
        self,
        rows: Sequence[Sequence[int]],
        shared: Sequence[Shared],
        planned: Sequence[Pass],
        states: States,
        wanted: Sequence[int],
    ) -> Iterator[tuple[Pass, Any]]:
        """Make passes and keep the states that are wanted; yields each with its logits."""
        import torch

        for one in planned:
            with torch.inference_mode():
                keep = max(wanted[index] for index in one.rows)
                out = self._forward(rows, shared, one, states, keep)
                if states.slots:
                    states.put(one.rows, out.past_key_values)
            yield one, out.logits

    def _forward(
        self,
        rows: Sequence[Sequence[int]],
        shared: Sequence[Shared],
        one: Pass,
        states: States,
        keep: int,
    ) -> Any:
        import torch
        from transformers import DynamicCache

        lengths = [len(rows[index]) for index in one.rows]
        known = [max(0, length - one.width) for length in lengths]
        cache: Any = None
        if self.shares and not any(known):
            cache = DynamicCache(config=self.model.config)
        elif self.shares:
            donors = [shared[index].donor for index in one.rows]
            whole = [0 if donor is None else len(rows[donor]) for donor in donors]
            cache = states.beginnings(list(zip(donors, known, whole, strict=True)))
        columns = max(known) + one.width
        device = self.model.device
        ids = torch.full((len(lengths), one.width), self.filler)
        mask = torch.zeros((len(lengths), columns), dtype=torch.long)
        for row, index in enumerate(one.rows):
            tail = torch.tensor(rows[index][-one.width :])
            ids[row, one.width - len(tail) :] = tail
            mask[row, columns - lengths[row] :] = 1
        options: dict[str, Any] = {}
        if self._positions:
            positions = (mask.cumsum(-1) - 1).clamp(min=0)
            options["position_ids"] = positions[:, -one.width :].to(device)
        if cache is not None:
            options |= {"past_key_values": cache, "use_cache": True}
        if self._keeps:
            options["logits_to_keep"] = keep
        return self.model(
            input_ids=ids.to(device), attention_mask=mask.to(device), return_dict=True, **options
        )


def can_share(model: Any, config: Any) -> bool:
    """Whether a model's cache holds keys and values of all tokens, and nothing else.

    Args:
        model: its class.
        config: its configuration.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    parameters = set(inspect.signature(model.forward).parameters)
    return (
        {"past_key_values", "attention_mask", "logits_to_keep"} <= parameters
        and not getattr(model, "_is_stateful", False)
        and all(type(layer) is DynamicLayer for layer in DynamicCache(config=config).layers)
    )


def _cache(layers: list[tuple[Any, Any]]) -> Any:
    """A cache of keys and values, which are taken out of the list: it copies them."""
    from transformers import DynamicCache

    return DynamicCache(layers.pop(0) for _ in range(len(layers)))
