"""Generates a batch with transformers and lets each row go as soon as it has ended.

``generate`` is called for a few tokens at a time with its cache kept between calls; rows that
have ended are taken out of batch and cache in between, so a long answer does not keep the
others waiting and costs only its own row.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from empeval.generators.hf.prefill import Reader
from empeval.generators.hf.text import Text, end_tokens, special_tokens
from empeval.reasoning import table
from empeval.records import Sampling

STEPS = 16
"""New tokens between two looks at which rows have ended."""

OWN_STATE = ("recurrent_gemma", "rwkv", "xlstm")
"""Model types that keep a recurrent state outside the cache and take padding for text. Their
batches have prompts of one length and are decoded in one go."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt to continue.

    Attributes:
        id: of the item; random draws depend on it.
        tokens: of the prompt, at least one.
        limit: the most new tokens, at least one.
        stop: strings that end the continuation.
    """

    id: str
    tokens: list[int]
    limit: int
    stop: tuple[str, ...] = ()


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """A continuation.

    Attributes:
        row: its row's index in the batch.
        text: up to the stop string, without special tokens but those that mark thoughts.
        tokens: how many were generated, the end-of-text token not counted.
        stop: ``eos``, ``length``, ``error`` (the logits were not numbers) or the stop string.
        seconds: since the batch was begun.
    """

    row: int
    text: str
    tokens: int
    stop: str
    seconds: float


class Decoder:
    """Continues batches of prompts with one model and tokenizer.

    Attributes:
        takes_padding: whether rows of one batch may have prompts of different lengths.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        known = model.get_input_embeddings().weight.shape[0]
        self.takes_padding = model.config.model_type not in OWN_STATE
        self._takes_cache = "past_key_values" in inspect.signature(model.forward).parameters
        self._remembers = bool(getattr(model, "_is_stateful", False))
        self.ends = end_tokens(model.generation_config.eos_token_id, tokenizer, known)
        # what stands in masked positions and behind a row's end: any token that the model knows
        self.filler: int = self.ends[0] if self.ends else 0
        self._special = special_tokens(tokenizer)
        self.reader = Reader(model, self.filler, padding=self.takes_padding)

    def decode(self, rows: Sequence[Row], sampling: Sampling) -> Iterator[Decoded]:
        """Yield each row's continuation as soon as it has ended.

        Args:
            rows: at least one.
            sampling: how to choose tokens; its ``max_tokens`` and ``stop`` are the rows' own.
        """
        import torch

        started = time.perf_counter()
        if sampling.temperature > 0:
            seed_everything(sampling.seed, rows)
        read = Text(self.tokenizer, self._special, table(sampling.reasoning_tags))
        live = list(range(len(rows)))
        ids, mask = self._pad(rows)
        start = ids.shape[1]
        cache = self.reader.cache([row.tokens for row in rows])
        while live:
            written = ids.shape[1] - start
            steps = min(rows[i].limit - written for i in live)
            if self.takes_padding and (cache is not None or not written):
                steps = min(steps, STEPS)
            watch = _StopStrings(read, [rows[i].stop for i in live], start)
            guard = _NotANumber(self.filler, torch.zeros(len(live), dtype=torch.bool))
            with torch.inference_mode():
                out = self.model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    **({} if cache is None else {"past_key_values": cache}),
                    generation_config=self._config(sampling, steps),
                    stopping_criteria=[watch],
                    logits_processor=[guard],
                )
            ids = out.sequences
            cache = self._reusable(out.past_key_values, ids.shape[1] - 1)
            mask = torch.nn.functional.pad(mask, (0, ids.shape[1] - mask.shape[1]), value=1)
            seconds = time.perf_counter() - started
            keep: list[int] = []
            for slot, index in enumerate(live):
                new = ids[slot, start : watch.ended.get(slot)].tolist()
                found = self._result(rows[index], new, read, bool(guard.rows[slot]))
                if found is None:
                    keep.append(slot)
                else:
                    text, count, stop = found
                    yield Decoded(row=index, text=text, tokens=count, stop=stop, seconds=seconds)
            if len(keep) < len(live) and keep:
                chosen = torch.tensor(keep, device=ids.device)
                ids, mask = ids[chosen], mask[chosen]
                if cache is not None:
                    cache.reorder_cache(chosen)  # every kind of layer knows this one
            live = [live[slot] for slot in keep]

    def _reusable(self, cache: Any, length: int) -> Any:
        """The cache, if all that the model remembers of ``length`` tokens is in it, else ``None``.

        Without it the next call computes those tokens anew.
        """
        from transformers import Cache

        if not isinstance(cache, Cache) or not self._takes_cache:
            return None
        if self._remembers and not any(hasattr(y, "recurrent_states") for y in cache.layers):
            return None
        try:
            return cache if cache.get_seq_length() == length else None
        except ValueError:  # no layer in it counts tokens
            return None

    def _pad(self, rows: Sequence[Row]) -> tuple[Any, Any]:
        import torch

        width = max(len(r.tokens) for r in rows)
        ids = [[self.filler] * (width - len(r.tokens)) + r.tokens for r in rows]
        mask = [[0] * (width - len(r.tokens)) + [1] * len(r.tokens) for r in rows]
        device = self.model.device
        return torch.tensor(ids, device=device), torch.tensor(mask, device=device)

    def _config(self, sampling: Sampling, steps: int) -> Any:
        from transformers import GenerationConfig

        options: dict[str, Any] = {"do_sample": False}
        if sampling.temperature > 0:
            options = {
                "do_sample": True,
                "temperature": sampling.temperature,
                "top_p": sampling.top_p,
                "top_k": 0,
            }
        return GenerationConfig(
            max_new_tokens=steps,
            eos_token_id=self.ends or None,
            pad_token_id=self.filler,
            use_cache=True,
            return_dict_in_generate=True,
            **options,
        )

    def _result(
        self, row: Row, new: Sequence[int], read: Text, broken: bool
    ) -> tuple[str, int, str] | None:
        """(text, tokens, stop) of a row that has ended, ``None`` of one that goes on."""
        if broken:
            end = next((i for i, token in enumerate(new) if token in self.ends), len(new))
            return "", end, "error"
        return read.result(new, ends=self.ends, stops=row.stop, limit=row.limit)


class _StopStrings:
    """Tells generate which rows hold one of their stop strings, and notes where they ended.

    Attributes:
        ended: index in the batch -> length of the sequence when the string was complete.
    """

    def __init__(self, read: Text, stops: Sequence[Sequence[str]], start: int) -> None:
        self.read = read
        self.stops = stops
        self.start = start
        self.ended: dict[int, int] = {}
        longest = max((len(s.encode()) for row in stops for s in row), default=0)
        self.window = longest + 1  # a token is at least a byte, so this many tokens hold it

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        length = ids.shape[1]
        if self.window > 1:
            tails = ids[:, max(self.start, length - self.window) :].tolist()  # of all rows at once
            for index, (stops, tail) in enumerate(zip(self.stops, tails, strict=True)):
                if not stops or index in self.ended or not self.read.holds(tail, stops):
                    continue
                # a tail may read otherwise than the same tokens behind others
                if self.read.holds(ids[index, self.start :].tolist(), stops):
                    self.ended[index] = length
        done = torch.zeros(ids.shape[0], dtype=torch.bool)
        done[list(self.ended)] = True
        return done.to(ids.device)


class _NotANumber:
    """Notes rows whose logits are not numbers and ends them, so that the others go on."""

    def __init__(self, end: int, rows: Any) -> None:
        self.end = end
        self.rows = rows

    def __call__(self, ids: Any, scores: Any) -> Any:
        bad = scores.isnan().any(dim=-1) | scores.isposinf().any(dim=-1)
        bad |= scores.isneginf().all(dim=-1)
        if bad.any():
            self.rows |= bad.to(self.rows.device)
            scores = scores.clone()
            scores[bad] = float("-inf")
            scores[bad, self.end] = 0.0
        return scores


def seed_everything(seed: int, rows: Sequence[Row]) -> None:
    """Seed torch from the run's seed and the batch's ids: a repeated batch repeats its draws."""
    import hashlib

    import torch

    digest = hashlib.sha256("\0".join([str(seed), *(r.id for r in rows)]).encode()).digest()
    torch.manual_seed(int.from_bytes(digest[:8], "big") >> 1)
