"""Generates a batch with transformers and lets each row go as soon as it has ended.

``generate`` is called for a few tokens at a time with its cache kept between calls; rows that
have ended are taken out of batch and cache in between, so a long answer does not keep the
others waiting and costs only its own row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from empeval.records import Sampling

STEPS = 16
"""New tokens between two looks at which rows have ended."""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A prompt to continue: its payload's id, token ids, the strings that end it."""

    id: str
    tokens: list[int]
    stop: tuple[str, ...]


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """A continuation: text before the stop, tokens generated, what ended it, seconds.

    ``stop`` is ``eos``, ``length``, ``error`` (the model's logits were not numbers) or the stop
    string.
    """

    id: str
    text: str
    tokens: int
    stop: str
    seconds: float


class Decoder:
    """Continues batches of prompts with one model and tokenizer."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model = model
        self.tokenizer = tokenizer
        ends = model.generation_config.eos_token_id
        self.ends = set(ends if isinstance(ends, list) else [ends]) | {tokenizer.eos_token_id}
        self.ends.discard(None)

    def decode(self, rows: Sequence[Row], sampling: Sampling, limit: int) -> Iterator[Decoded]:
        """Yield each row's continuation as soon as it has ended.

        Args:
            rows: at least one.
            sampling: how to choose tokens.
            limit: the most new tokens.
        """
        import torch

        started = time.perf_counter()
        seed_everything(sampling.seed, rows)
        live = list(rows)
        ids, mask = self._pad(live)
        start = ids.shape[1]
        guard = _NotANumber(min(self.ends, default=0))
        cache: Any = None
        while live:
            steps = min(STEPS, limit - (ids.shape[1] - start))
            ended = _Ended(self.tokenizer, [r.stop for r in live], start)
            guard.rows = torch.zeros(len(live), dtype=torch.bool, device=ids.device)
            with torch.inference_mode():
                out = self.model.generate(
                    input_ids=ids,
                    attention_mask=mask,
                    past_key_values=cache,
                    generation_config=self._config(sampling, steps),
                    stopping_criteria=[ended],
                    logits_processor=[guard],
                )
            ids, cache = out.sequences, out.past_key_values
            mask = torch.nn.functional.pad(mask, (0, ids.shape[1] - mask.shape[1]), value=1)
            broken = guard.rows.tolist()
            keep: list[int] = []
            for index, row in enumerate(live):
                new = ids[index, start:].tolist()
                result = self._ended(row, new, broken[index], len(new) >= limit)
                if result is None:
                    keep.append(index)
                else:
                    text, count, stop = result
                    seconds = time.perf_counter() - started
                    yield Decoded(id=row.id, text=text, tokens=count, stop=stop, seconds=seconds)
            if len(keep) < len(live) and keep:
                chosen = torch.tensor(keep, device=ids.device)
                ids, mask = ids[chosen], mask[chosen]
                cache.batch_select_indices(chosen)
            live = [live[index] for index in keep]

    def _pad(self, rows: Sequence[Row]) -> tuple[Any, Any]:
        import torch

        width = max(len(r.tokens) for r in rows)
        pad = self.tokenizer.pad_token_id
        ids = [[pad] * (width - len(r.tokens)) + r.tokens for r in rows]
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
            eos_token_id=sorted(self.ends) or None,
            pad_token_id=self.tokenizer.pad_token_id,
            return_dict_in_generate=True,
            **options,
        )

    def _ended(
        self, row: Row, new: Sequence[int], broken: bool, full: bool
    ) -> tuple[str, int, str] | None:
        """(text, tokens, stop) of a row that has ended, ``None`` of one that goes on."""
        end = next((i for i, token in enumerate(new) if token in self.ends), None)
        count = len(new) if end is None else end
        if broken:
            return "", count, "error"
        text = self.tokenizer.decode(
            new[:count], skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        found = [(text.find(s), s) for s in row.stop if s in text]
        if found:
            at, string = min(found)
            return text[:at], count, string
        if end is not None:
            return text, count, "eos"
        return (text, count, "length") if full else None


class _Ended:
    """Tells generate which rows hold one of their stop strings among the latest tokens."""

    def __init__(self, tokenizer: Any, stops: Sequence[Sequence[str]], start: int) -> None:
        self.tokenizer = tokenizer
        self.stops = stops
        self.start = start
        longest = max((len(s.encode()) for row in stops for s in row), default=0)
        self.window = longest + 1  # a token is at least a byte, so this many tokens hold it

    def __call__(self, ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        done = torch.zeros(ids.shape[0], dtype=torch.bool, device=ids.device)
        if any(self.stops):
            tails = self.tokenizer.batch_decode(
                ids[:, max(self.start, ids.shape[1] - self.window) :],
                skip_special_tokens=True,
                clean_up_tokenization_spaces=False,
            )
            for index, (tail, stops) in enumerate(zip(tails, self.stops, strict=True)):
                done[index] = any(s in tail for s in stops)
        return done


class _NotANumber:
    """Notes rows whose logits are not numbers and ends them, so that the others go on."""

    def __init__(self, end: int) -> None:
        self.end = end
        self.rows: Any = None

    def __call__(self, ids: Any, scores: Any) -> Any:
        bad = scores.isnan().any(dim=-1) | scores.isposinf().any(dim=-1)
        if bad.any():
            self.rows |= bad
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


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the host."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text or "not enough memory" in text
    )
