"""``hf:TARGET`` answers with a causal language model through transformers.

TARGET is a hub id, a local folder or a ``.gguf`` file.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from empeval.errors import EmpevalError, UsageError
from empeval.generators.hf.batches import cut_batches
from empeval.generators.hf.files import ModelFiles, find_files, looks_local, read_config
from empeval.interfaces import Generator, ModelCard, Preview
from empeval.records import Item, Response, Sampling

CPU_BATCH_TOKENS = 16_384
GPU_BATCH_TOKENS = 131_072
MAX_ROWS = 256

DType = Literal["auto", "float32", "bfloat16", "float16"]


class HuggingFace(Generator):
    """A model from the hub or from disk.

    Args:
        target: hub id, local folder or ``.gguf`` file.
        revision: branch, tag or commit of a hub model.
        dtype: ``auto`` is float32 on a CPU without bfloat16 units, else as stored.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` ...
        adapter: PEFT adapter, a folder or hub id, merged into the weights.
        quantize: ``4bit`` or ``8bit`` through bitsandbytes.
        chat_template: ``auto``, ``model``, ``plain`` or a Jinja file (see ``Prompter``).
        batch_tokens: tokens of prompts and answers computed together; 0 chooses by device.
    """

    summary = "a hub id, a local folder or a .gguf file, through transformers"

    def __init__(
        self,
        target: str,
        *,
        revision: str | None = None,
        dtype: DType = "auto",
        device: str = "auto",
        adapter: str | None = None,
        quantize: Literal["4bit", "8bit"] | None = None,
        chat_template: str = "auto",
        batch_tokens: int = 0,
    ) -> None:
        from empeval.generators.hf.loading import check_quantize

        if not target:
            raise UsageError("'hf:' needs a hub id, a folder or a .gguf file: hf:org/name")
        if batch_tokens < 0:
            raise UsageError(f"batch_tokens is {batch_tokens}; it must be 0 or more.")
        check_quantize(quantize)
        self._target = target
        self._dtype = dtype
        self._device = device
        self._quantize = quantize
        self._chat_template = chat_template
        self._batch_tokens = batch_tokens
        self._row_limit = MAX_ROWS
        self._files = find_files(target, revision)
        self._adapter: ModelFiles | None = None
        if adapter is not None:
            self._adapter = find_files(adapter, None, marker="adapter_config.json")
        self._prompts: dict[tuple[str, str], list[int]] = {}
        self._decoder: Any = None

    @property
    def card(self) -> ModelCard:
        """Name, fingerprint of the files and the format of the prompts."""
        details: dict[str, Any] = dict(self._prompter.details)
        if self._adapter is not None:
            details["adapter_fingerprint"] = self._adapter.fingerprint
        name = self._target if not looks_local(self._target) else self._files.folder.name
        return ModelCard(
            name=self._files.gguf or name,
            fingerprint=self._files.fingerprint,
            license=self._files.license,
            details=details,
        )

    @cached_property
    def _prompter(self) -> Any:
        from empeval.generators.hf.loading import load_tokenizer
        from empeval.generators.hf.prompts import Prompter

        return Prompter(load_tokenizer(self._files), self._chat_template)

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """Load the tokenizer and choose the device, so that their errors come early."""
        from empeval.generators.hf.loading import choose_device

        self._device = choose_device(self._device)
        first = [items[0] for items in questions.values()]
        for item in first:
            self._tokens(item)
        return []

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """Batches by length, the longest prompts first, padded by at most 5 %."""
        return cut_batches(
            [(len(self._tokens(item)), item) for item in items],
            budget=self._budget(),
            new_tokens=sampling.max_tokens,
            max_rows=self._row_limit,
        )

    def preview(self, item: Item, sampling: Sampling) -> Preview:
        """The prompt's text and length."""
        return Preview(self._prompter.text(item.messages), len(self._tokens(item)))

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield responses row by row as they end.

        A batch that runs out of memory is halved until it fits, and later batches stay that
        small. A prompt longer than the model's window and a model whose logits are not numbers
        give responses with status ``error``.
        """
        self._load()
        window = self._window()
        for batch in self.plan(items, sampling):
            fitting = [i for i in batch if window is None or len(self._tokens(i)) < window]
            for item in batch:
                if item not in fitting:
                    length = len(self._tokens(item))
                    note = f"the prompt has {length} tokens, the model's window {window}"
                    yield Response(item.id, "", "error", note=note)
            if fitting:
                yield from self._answer(fitting, sampling, window)

    def close(self) -> None:
        """Free the weights."""
        if self._decoder is not None:
            self._decoder = None
            _collect()

    def _answer(
        self, batch: Sequence[Item], sampling: Sampling, window: int | None
    ) -> Iterator[Response]:
        """Answers to a batch, by halves when memory runs out."""
        from empeval.generators.hf.decode import Row, out_of_memory

        if len(batch) > self._row_limit:
            for start in range(0, len(batch), self._row_limit):
                yield from self._answer(batch[start : start + self._row_limit], sampling, window)
            return
        left = {item.id: item for item in batch}
        rows = [
            Row(
                id=item.id,
                tokens=self._tokens(item),
                stop=(*sampling.stop, *self._prompter.stops(item.messages)),
            )
            for item in batch
        ]
        limit = sampling.max_tokens
        if window is not None:
            limit = min(limit, window - max(len(r.tokens) for r in rows))
        try:
            for decoded in self._decoder.decode(rows, sampling, limit):
                yield self._response(left.pop(decoded.id), decoded)
            return
        except Exception as error:  # only running out of memory is dealt with here
            if not out_of_memory(error):
                raise
        _collect()
        rest = list(left.values())
        if len(batch) == 1:
            yield Response(rest[0].id, "", "error", note="out of memory with a batch of one")
            return
        self._row_limit = max(1, len(batch) // 2)
        yield from self._answer(rest, sampling, window)

    def _response(self, item: Item, decoded: Any) -> Response:
        prompt_tokens = len(self._tokens(item))
        if decoded.stop == "error":
            note = "the model's logits were not numbers (NaN)"
            return Response(item.id, "", "error", prompt_tokens=prompt_tokens, note=note)
        text = decoded.text if self._prompter.keeps_space(item.messages) else decoded.text.strip()
        return Response(
            item.id,
            text,
            "truncated" if decoded.stop == "length" else "ok",
            prompt_tokens=prompt_tokens,
            completion_tokens=decoded.tokens,
            seconds=decoded.seconds,
            stop=decoded.stop,
        )

    def _tokens(self, item: Item) -> list[int]:
        key = (item.task, item.id)
        if key not in self._prompts:
            prompter = self._prompter
            self._prompts[key] = prompter.tokens(prompter.text(item.messages))
            if not self._prompts[key]:
                raise EmpevalError(f"The prompt of item '{item.id}' is empty.")
        return self._prompts[key]

    def _load(self) -> None:
        if self._decoder is not None:
            return
        from empeval.generators.hf.decode import Decoder
        from empeval.generators.hf.loading import choose_device, choose_dtype, load_model

        device = choose_device(self._device)
        config = read_config(self._files)
        stored = config.get("dtype") or config.get("torch_dtype")
        model = load_model(
            self._files,
            adapter=self._adapter,
            device=device,
            dtype=choose_dtype(self._dtype, device, stored),
            quantize=self._quantize,
        )
        self._decoder = Decoder(model, self._prompter.tokenizer)

    def _window(self) -> int | None:
        text_config = self._decoder.model.config.get_text_config()
        window = getattr(text_config, "max_position_embeddings", None)
        return window if isinstance(window, int) and window > 0 else None

    def _budget(self) -> int:
        if self._batch_tokens:
            return self._batch_tokens
        return CPU_BATCH_TOKENS if self._device == "cpu" else GPU_BATCH_TOKENS


def _collect() -> None:
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
