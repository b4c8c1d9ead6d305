"""``vllm:TARGET`` answers with a causal language model through vLLM's engine, in this process.

Prompts are made as by ``hf:``, so that the two ask the very same tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from empeval.cards import ModelCard
from empeval.errors import EmpevalError, UsageError
from empeval.extras import require
from empeval.generators.hf import HuggingFace
from empeval.generators.hf.text import Text, special_tokens
from empeval.interfaces import Generator
from empeval.pairs import json_object
from empeval.reasoning import Tags, opened_at_end, table
from empeval.records import Continuations, Item, LogLikelihood, Response, Sampling

OURS = ("model", "tokenizer", "revision", "dtype", "seed", "trust_remote_code")
"""Arguments of the engine that are set here."""


class VLLM(HuggingFace):
    """A model from the hub or from disk, on vLLM's offline engine.

    Args:
        target: hub id, local folder or ``.gguf`` file.
        revision: branch, tag or commit of a hub model.
        dtype: as vLLM calls it: ``auto``, ``bfloat16``, ``float16``, ``float32``.
        chat_template: as for ``hf``.
        batch: questions handed to the engine together; it schedules them itself. An interrupted
            run repeats an unfinished batch whole.
        engine: JSON object of further arguments of ``vllm.LLM``, passed through:
            ``{"tensor_parallel_size": 2, "max_model_len": 8192}``.

    Raises:
        UsageError: the target is no model, or an option makes no sense.
        HubError: the hub does not give the model.
    """

    summary = "a hub id, a local folder or a .gguf file, through vLLM's offline engine"
    extra = "vllm"
    gives_likelihood = False

    def __init__(
        self,
        target: str,
        *,
        revision: str | None = None,
        dtype: str = "auto",
        chat_template: str = "auto",
        batch: int = 256,
        engine: str = "",
    ) -> None:
        if not target:
            raise UsageError("'vllm:' needs a hub id, a folder or a .gguf file: vllm:org/name")
        if batch < 1:
            raise UsageError(f"batch is {batch}; it must be 1 or more.")
        super().__init__(target, revision=revision, chat_template=chat_template)
        self._engine_dtype = dtype
        self._batch = batch
        self._arguments = json_object(engine, "engine", '{"tensor_parallel_size": 2}')
        for name in OURS:
            if name in self._arguments:
                raise UsageError(f"engine: '{name}' has an option of its own, or is fixed.")
        self._llm: Any = None

    @property
    def card(self) -> ModelCard:
        """The card of the same model under ``hf:``, with the engine and its precision."""
        card = super().card
        details = {**card.details, "engine": "vllm", "dtype": self._engine_dtype}
        made: ModelCard = msgspec.structs.replace(card, details=details)
        return made

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """As many as ``batch`` together, in their order."""
        return [list(items[i : i + self._batch]) for i in range(0, len(items), self._batch)]

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield responses batch by batch.

        A prompt that is empty or longer than the model's window gives status ``error``.
        """
        for batch in self.plan(items, sampling):
            yield from self._answer(batch, sampling)

    def loglikelihood(self, requests: Sequence[Continuations]) -> Iterator[LogLikelihood]:
        """Refused: the engine is asked for text alone.

        Raises:
            UsageError: always.
        """
        return Generator.loglikelihood(self, requests)

    def runtime(self) -> dict[str, Any]:
        """The engine's version and arguments."""
        from empeval.environment import version

        return {"vllm": version("vllm"), "engine": self._arguments}

    def close(self) -> None:
        """Free the weights."""
        if self._llm is not None:
            from empeval.generators.hf.answers import free_memory

            self._llm = None
            free_memory()

    def _answer(self, batch: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        fitting = []
        for item in batch:
            tokens = self._prompt(item).tokens
            if not tokens or not self._fits(item):
                why = "is longer than the model's window" if tokens else "is empty"
                yield Response(item.id, "", "error", note=f"the prompt {why}")
            else:
                fitting.append(item)
        if not fitting:
            return
        llm, parameters = self._load_engine()
        asked = [{"prompt_token_ids": self._prompt(item).tokens} for item in fitting]
        sampled = [
            parameters(
                max_tokens=sampling.max_tokens,
                temperature=sampling.temperature,
                top_p=sampling.top_p if sampling.temperature > 0 else 1.0,
                stop=[*sampling.stop, *self._prompt(item).stop],
                seed=sampling.seed,
                skip_special_tokens=False,  # a stop string may name one
            )
            for item in fitting
        ]
        tags = table(sampling.reasoning_tags)
        tokenizer = self._prompter.tokenizer
        read = Text(tokenizer, special_tokens(tokenizer), tags)
        outputs = llm.generate(asked, sampled, use_tqdm=False)
        for item, output, how in zip(fitting, outputs, sampled, strict=True):
            yield self._response(item, output, read, how.stop, tags)

    def _response(
        self, item: Item, output: Any, read: Text, stops: Sequence[str], tags: Sequence[Tags]
    ) -> Response:
        made, prompt = output.outputs[0], self._prompt(item)
        if made.finish_reason not in ("stop", "length"):
            note = f"vLLM gave it up ({made.finish_reason})"
            return Response(item.id, "", "error", note=note)
        ended = read.ending(made.token_ids, stops)
        text, stop = ended if ended is not None else (read.of(made.token_ids), "eos")
        text = text if prompt.raw else text.strip()
        cut = made.finish_reason == "length"
        return Response(
            item.id,
            opened_at_end(prompt.ending, tags) + text if text else "",
            "truncated" if cut else "ok",
            prompt_tokens=len(prompt.tokens),
            completion_tokens=len(made.token_ids),
            stop="length" if cut else stop,
            cached_tokens=getattr(output, "num_cached_tokens", None),
        )

    def _load_engine(self) -> tuple[Any, Any]:
        """The engine, and the class of its sampling parameters.

        Raises:
            UsageError: vLLM is not installed, or does not work.
            EmpevalError: it cannot load the model.
        """
        require("'vllm:'", "vllm")
        try:
            import vllm
        except ImportError as error:  # built for another driver or another torch
            raise UsageError(f"vLLM is installed, but cannot be imported: {error}") from error
        if self._llm is None:
            files = self._files
            try:
                self._llm = vllm.LLM(
                    model=files.repository or str(files.folder / (files.gguf or "")),
                    revision=files.revision,
                    dtype=self._engine_dtype,
                    seed=0,
                    trust_remote_code=False,
                    **self._arguments,
                )
            except Exception as error:  # whatever the engine dislikes: memory, an argument, the GPU
                raise EmpevalError(
                    f"vLLM cannot load {files.name}: {' '.join(str(error).split())[:300]}"
                ) from error
        return self._llm, vllm.SamplingParams
