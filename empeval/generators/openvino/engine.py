"""Continues prompts with OpenVINO's engine, which schedules, batches and samples by itself."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from empeval.engines import unreported
from empeval.errors import EmpevalError
from empeval.generators.hf.decode import Decoded, Row
from empeval.generators.hf.text import Text, special_tokens
from empeval.reasoning import table
from empeval.records import Sampling

NOT_A_NUMBER = "isnan"
"""What stands in the engine's complaint about logits that are not numbers."""


class Engine:
    """One model in OpenVINO's pipeline for continuous batching.

    Tokens go in and come out; text is read by the model's own tokenizer, as under ``hf:``.

    Args:
        path: a ``.gguf`` file, or a folder with ``openvino_model.xml``.
        properties: of the engine, such as ``INFERENCE_PRECISION_HINT``.
        tokenizer: of transformers.
        ends: tokens that end a text.

    Raises:
        EmpevalError: the engine cannot load the model.
    """

    takes_padding = True  # nothing is padded

    def __init__(
        self, path: Path, properties: Mapping[str, Any], tokenizer: Any, ends: Sequence[int]
    ) -> None:
        with unreported():
            import openvino_genai

        scheduler = openvino_genai.SchedulerConfig()
        # States kept from one batch to the next would let answers depend on what came before.
        scheduler.enable_prefix_caching = False
        try:
            self._pipeline = openvino_genai.ContinuousBatchingPipeline(
                str(path), scheduler, "CPU", dict(properties)
            )
        except Exception as error:  # whatever it dislikes: the format, a property, the memory
            raise EmpevalError(f"OpenVINO cannot load {path.name}: {reason(error)}") from error
        self._tokenizer = tokenizer
        self._special = special_tokens(tokenizer)
        self._ends = list(ends)

    def decode(self, rows: Sequence[Row], sampling: Sampling) -> Iterator[Decoded]:
        """Yield each row's continuation as soon as it has ended.

        A batch that the engine gives up because some row's logits are not numbers is continued
        row by row, so that only that row fails.

        Args:
            rows: at least one.
            sampling: how to choose tokens; its ``max_tokens`` and ``stop`` are the rows' own.

        Raises:
            MemoryError: the states of the rows find no room.
            EmpevalError: the engine gives up for another reason.
        """
        left = dict(enumerate(rows))
        try:
            for decoded in self._together(rows, sampling):
                del left[decoded.row]
                yield decoded
            return
        except RuntimeError as error:
            if NOT_A_NUMBER not in str(error):
                raise EmpevalError(f"OpenVINO's engine gave up: {reason(error)}") from error
        for index, row in left.items():
            if len(rows) == 1:
                yield Decoded(row=index, text="", tokens=0, stop="error", seconds=0.0)
                return
            for decoded in self.decode([row], sampling):
                yield Decoded(
                    row=index,
                    text=decoded.text,
                    tokens=decoded.tokens,
                    stop=decoded.stop,
                    seconds=decoded.seconds,
                )

    def _together(self, rows: Sequence[Row], sampling: Sampling) -> Iterator[Decoded]:
        started = time.perf_counter()
        read = Text(self._tokenizer, self._special, table(sampling.reasoning_tags))
        handles = {index: self._ask(index, row, sampling) for index, row in enumerate(rows)}
        made: dict[int, list[int]] = {index: [] for index in handles}
        try:
            while handles:
                self._pipeline.step()
                for index, handle in list(handles.items()):
                    row = rows[index]
                    if not _take(handle, made[index]):
                        _check_room(handle)
                        continue
                    found = read.result(
                        made[index], ends=self._ends, stops=row.stop, limit=row.limit
                    )
                    if found is None:
                        continue
                    handles.pop(index).stop()
                    text, count, stop = found
                    seconds = time.perf_counter() - started
                    yield Decoded(row=index, text=text, tokens=count, stop=stop, seconds=seconds)
        finally:
            for handle in handles.values():  # left early: the next batch must not find them
                handle.cancel()
            if self._pipeline.has_non_finished_requests():
                self._pipeline.step()

    def _ask(self, index: int, row: Row, sampling: Sampling) -> Any:
        import numpy as np
        import openvino
        import openvino_genai

        wanted = openvino_genai.GenerationConfig()
        wanted.max_new_tokens = row.limit
        wanted.logprobs = 1  # else the engine goes on with logits that are not numbers
        if self._ends:
            wanted.eos_token_id = self._ends[0]
            wanted.stop_token_ids = set(self._ends)
        else:
            wanted.ignore_eos = True
        if sampling.temperature > 0:
            wanted.do_sample = True
            wanted.temperature = sampling.temperature
            wanted.top_p = sampling.top_p
            wanted.rng_seed = seed_of(sampling.seed, row.id)
        tokens = openvino.Tensor(np.array([row.tokens], dtype=np.int64))
        return self._pipeline.add_request(index, tokens, wanted)


def _take(handle: Any, made: list[int]) -> bool:
    """Add a row's new tokens to what it has; whether there were any."""
    before = len(made)
    while handle.can_read():
        for output in handle.read().values():
            made.extend(output.generated_ids)
    return len(made) > before


def _check_room(handle: Any) -> None:
    """Whether the engine still means to go on with a row that got no token in a step.

    Raises:
        MemoryError: it does not, for want of room.
    """
    if handle.get_status().name == "IGNORED":
        raise MemoryError("the engine's cache has no room for a prompt")


def seed_of(seed: int, name: str) -> int:
    """A row's own seed: what is drawn for it depends on no other row."""
    digest = hashlib.sha256(f"{seed}\0{name}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def reason(error: Exception) -> str:
    """What the engine says, in a line and without the lines of its own source."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = [line for line in lines if line and not line.startswith("Exception from ")]
    text = " ".join(said) or type(error).__name__
    before, mark, after = text.partition(" failed at ")
    if mark:  # "Check 'x' failed at FILE:LINE: reason"
        text = f"{before} failed{after[after.find(': ') :] if ': ' in after else ''}"
    return text[:300].rstrip(" .:")
