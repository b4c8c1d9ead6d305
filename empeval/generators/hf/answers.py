"""Turns prompts into responses, by smaller batches when memory runs out."""

from __future__ import annotations

import gc
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Protocol

import msgspec

from empeval.generators.hf.batches import cut_batches
from empeval.generators.hf.decode import Decoded, Row
from empeval.generators.hf.prompts import Prompt
from empeval.reasoning import opened_at_end, table
from empeval.records import Item, Response, Sampling


class Question(msgspec.Struct, frozen=True):
    """An item and the prompt that it became."""

    item: Item
    prompt: Prompt

    @property
    def length(self) -> int:
        """Tokens of the prompt."""
        return len(self.prompt.tokens)


class Decodes(Protocol):
    """What continues the prompts of a batch.

    Attributes:
        takes_padding: whether prompts of one batch may differ in length.
    """

    takes_padding: bool

    def decode(self, rows: Sequence[Row], sampling: Sampling) -> Iterator[Decoded]:
        """Yield each row's continuation as soon as it has ended."""


class Answerer:
    """Answers batches with one model.

    Args:
        decoder: model and tokenizer.
        window: the most tokens of prompt and answer together, ``None`` where the model has no
            limit.

    Attributes:
        budget: tokens of a batch that memory holds; known once it has run out.
    """

    def __init__(self, decoder: Decodes, window: int | None) -> None:
        self._decoder = decoder
        self._window = window
        self.budget: int | None = None

    def answer(self, batch: Sequence[Question], sampling: Sampling) -> Iterator[Response]:
        """Yield one response a question, row by row as they end.

        A batch that runs out of memory is cut to half its tokens until it fits, and later
        batches stay that small.
        """
        fitting: list[Question] = []
        for question in batch:
            if not question.length:
                yield Response(question.item.id, "", "error", note="the prompt is empty")
            elif self._window is not None and question.length >= self._window:
                note = f"the prompt has {question.length} tokens, the model's window {self._window}"
                yield _failed(question, note)
            else:
                fitting.append(question)
        waiting = deque(self._paddable(fitting))
        while waiting:
            pieces = self._cut(waiting.popleft(), sampling)
            waiting.extendleft(reversed(pieces[1:]))
            piece = pieces[0]
            left = dict(enumerate(piece))
            try:
                for decoded in self._decoder.decode(self._rows(piece, sampling), sampling):
                    yield self._response(left.pop(decoded.row), decoded, sampling)
                continue
            except Exception as error:  # only running out of memory is dealt with here
                if not out_of_memory(error):
                    raise
            free_memory()
            if len(piece) == 1:
                yield _failed(piece[0], "out of memory with a batch of one")
            else:
                longest = max(question.length for question in piece)
                self.budget = len(piece) * (longest + sampling.max_tokens) // 2
                waiting.appendleft(list(left.values()))

    def _paddable(self, batch: list[Question]) -> list[list[Question]]:
        """The batch, by length if the model cannot tell padding from text."""
        if self._decoder.takes_padding:
            return [batch] if batch else []
        return [list(same) for _, same in groupby(batch, key=lambda question: question.length)]

    def _cut(self, batch: list[Question], sampling: Sampling) -> list[list[Question]]:
        if self.budget is None:
            return [batch]
        return cut_batches(
            [(question.length, question) for question in batch],
            budget=self.budget,
            new_tokens=sampling.max_tokens,
            max_rows=len(batch),
        )

    def _rows(self, batch: Sequence[Question], sampling: Sampling) -> list[Row]:
        return [
            Row(
                id=question.item.id,
                tokens=question.prompt.tokens,
                limit=self._limit(question, sampling),
                stop=(*sampling.stop, *question.prompt.stop),
            )
            for question in batch
        ]

    def _limit(self, question: Question, sampling: Sampling) -> int:
        if self._window is None:
            return sampling.max_tokens
        return min(sampling.max_tokens, self._window - question.length)

    def _response(self, question: Question, decoded: Decoded, sampling: Sampling) -> Response:
        if decoded.stop == "error":
            return _failed(question, "the model's logits were not numbers (NaN)")
        prompt = question.prompt
        text = decoded.text if prompt.raw else decoded.text.strip()
        cut = decoded.stop == "length"
        note = None
        if cut and self._limit(question, sampling) < sampling.max_tokens:
            note = f"cut off at the end of the model's window of {self._window} tokens"
        return Response(
            question.item.id,
            opened_at_end(prompt.ending, table(sampling.reasoning_tags)) + text if text else "",
            "truncated" if cut else "ok",
            prompt_tokens=question.length,
            completion_tokens=decoded.tokens,
            seconds=decoded.seconds,
            stop=decoded.stop,
            note=note,
        )


def _failed(question: Question, note: str) -> Response:
    return Response(question.item.id, "", "error", prompt_tokens=question.length, note=note)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, on a GPU or on the host."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    signs = ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in signs)


def free_memory() -> None:
    """Give back what nothing refers to any more."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
