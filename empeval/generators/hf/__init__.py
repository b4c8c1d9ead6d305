"""``hf:TARGET`` answers with a causal language model through transformers.

TARGET is a hub id, a local folder or a ``.gguf`` file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, ClassVar

from empeval.cards import ModelCard
from empeval.errors import UsageError, some
from empeval.extras import require
from empeval.generators.hf.batches import cut_batches, cut_families
from empeval.generators.hf.files import ModelFiles, find_files, looks_local
from empeval.generators.hf.loading import DType, Quantize, check_quantize
from empeval.generators.hf.weights import has_tokenizer
from empeval.interfaces import Generator, Preview
from empeval.records import (
    Continuations,
    Item,
    LogLikelihood,
    Message,
    Response,
    Sampling,
)

if TYPE_CHECKING:
    from empeval.generators.hf.answers import Answerer
    from empeval.generators.hf.prompts import Prompt, Prompter

__all__ = ["DType", "HuggingFace", "Quantize"]

CPU_BATCH_TOKENS = (8_192, 24_576)
"""The least and the most by default; between them as many as ``CPU_CACHE_BYTES`` hold."""
CPU_CACHE_BYTES = 768 * 2**20
GPU_BATCH_TOKENS = (32_768, 1_048_576)
"""The same on a GPU: as many as ``GPU_CACHE_SHARE`` of its memory hold."""
GPU_CACHE_SHARE = 0.2
"""What a batch keeps is copied where it grows, and the weights want room, too."""
MAX_ROWS = {"cpu": 256, "gpu": 1024}
"""A GPU computes many rows in a step."""


class HuggingFace(Generator):
    """A model from the hub or from disk.

    Args:
        target: hub id, local folder or ``.gguf`` file.
        revision: branch, tag or commit of a hub model.
        dtype: ``auto`` is float32 on a CPU without bfloat16 units, else as stored.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps`` ...
        adapter: PEFT adapter, a folder or hub id, merged into the weights; its tokenizer and its
            chat template take the place of the model's.
        quantize: ``4bit`` or ``8bit`` through bitsandbytes.
        chat_template: ``auto``, ``model``, ``plain``, the name of one of the model's templates or
            a Jinja file (see ``Prompter``).
        batch_tokens: tokens of prompts and answers computed together; 0 chooses by device.

    Raises:
        UsageError: the target is no model, an option makes no sense, or a package is missing.
        HubError: the hub does not give the model.
    """

    summary = "a hub id, a local folder or a .gguf file, through transformers"
    gives_likelihood: ClassVar[bool] = True
    extra: ClassVar[str] = "hf"
    """What installs the packages that it needs."""

    def __init__(
        self,
        target: str,
        *,
        revision: str | None = None,
        dtype: DType = "auto",
        device: str = "auto",
        adapter: str | None = None,
        quantize: Quantize | None = None,
        chat_template: str = "auto",
        batch_tokens: int = 0,
    ) -> None:
        if not target:
            raise UsageError("'hf:' needs a hub id, a folder or a .gguf file: hf:org/name")
        if batch_tokens < 0:
            raise UsageError(f"batch_tokens is {batch_tokens}; it must be 0 or more.")
        self._require(target, "torch", "transformers")
        self._target = target
        self._wanted_dtype: DType = dtype
        self._wanted_device = device
        self._quantize = quantize
        self._chat_template = chat_template
        self._batch_tokens = batch_tokens
        self._files = self._find(target, revision)
        check_quantize(quantize, self._files)
        if self._files.gguf:
            self._require(target, "gguf")
        self._adapter: ModelFiles | None = None
        if adapter is not None:
            self._require(target, "peft")
            self._adapter = find_files(adapter, None, "adapter")
        self._prompts: dict[tuple[Message, ...], Prompt] = {}
        self._batches: dict[tuple[str, str], int] = {}
        self._answerer: Answerer | None = None
        self._reader: Any = None

    def _require(self, target: str, *packages: str) -> None:
        require(f"The model '{target}'", *packages, extra=self.extra)

    def _find(self, target: str, revision: str | None) -> ModelFiles:
        """The files that a target means."""
        return find_files(target, revision)

    @property
    def card(self) -> ModelCard:
        """Name, fingerprint of the files, and what else decides the answers."""
        details: dict[str, Any] = {
            **self._prompter.details,
            "dtype": str(self._dtype).removeprefix("torch."),
        }
        if self._adapter is not None:
            details["adapter_fingerprint"] = self._adapter.fingerprint
            if self._adapter_speaks:
                details["tokenizer"] = "the adapter's"
        name = self._target
        if looks_local(self._target):
            name = self._files.gguf or self._files.folder.resolve().name
        return ModelCard(
            name=name,
            fingerprint=self._files.fingerprint,
            license=self._files.license,
            details=details,
        )

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """Load all but the weights and write every prompt, so that errors come early.

        Returns:
            A warning for each task with prompts that do not fit into the model's window, and one
            if the prompts are in the plain format although nobody asked for it.

        Raises:
            UsageError: tokenizer, configuration, template or device cannot be used, or do not
                belong together.
        """
        _ = self._dtype  # chooses the device, too
        known = self._vocabulary
        warnings = [self._prompter.fallback] if self._prompter.fallback else []
        for task, items in questions.items():
            for item in items:
                tokens = self._prompt(item).tokens
                if known is not None and max(tokens, default=0) >= known:
                    raise UsageError(
                        f"The tokenizer of {self._files.name} gives the token {max(tokens)}, but "
                        f"the model knows only {known}: they do not belong together."
                    )
            long = [item.id for item in items if not self._fits(item)]
            if long:
                warnings.append(
                    f"{task}: {len(long)} of {len(items)} prompts are longer than the model's "
                    f"window of {self._window} tokens and get no answer: {some(long)}"
                )
        return warnings

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """Batches of prompts that begin alike, the longest first.

        Where the model's cache does not allow to share beginnings, batches by length, padded by at
        most 5 %. The plan is kept: what ``generate`` is asked to answer of it is answered in the
        same batches.
        """
        limits = {
            "budget": self._budget,
            "new_tokens": sampling.max_tokens,
            "max_rows": MAX_ROWS["gpu" if self._on_gpu else "cpu"],
        }
        prompts = [(self._prompt(item).tokens, item) for item in items]
        if self._shares:
            plan = cut_families(prompts, **limits)
        else:
            plan = cut_batches([(len(tokens), item) for tokens, item in prompts], **limits)
        self._batches = {(i.task, i.id): number for number, batch in enumerate(plan) for i in batch}
        return plan

    def _planned(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """The batches of items that were planned, a new plan for others."""
        numbers = [self._batches.get((item.task, item.id)) for item in items]
        if None in numbers:
            return self.plan(items, sampling)
        pairs = zip(numbers, items, strict=True)
        return [[item for _, item in some] for _, some in groupby(pairs, key=itemgetter(0))]

    def preview(self, item: Item, sampling: Sampling) -> Preview:
        """The prompt's text and length."""
        return Preview(self._prompter.text(item.messages), len(self._prompt(item).tokens))

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield responses row by row as they end.

        A batch that runs out of memory is made smaller until it fits, and later batches stay that
        small. A prompt longer than the model's window and a model whose logits are not numbers
        give responses with status ``error``.
        """
        from empeval.generators.hf.answers import Question

        answerer = self._load()
        for batch in self._planned(items, sampling):
            questions = [Question(item, self._prompt(item)) for item in batch]
            yield from answerer.answer(questions, sampling)

    def loglikelihood(self, requests: Sequence[Continuations]) -> Iterator[LogLikelihood]:
        """Yield how likely the continuations of each request are.

        What rows of a batch begin with is read once. Continuations are of the answer as the
        chat template opens it: where that opens a thought, they stand inside of it.

        Raises:
            UsageError: the chat template refuses a conversation.
        """
        from empeval.generators.hf.likelihood import as_tokens, likelihoods

        wanted = [as_tokens(request, self._prompter) for request in requests]
        wanted.sort(key=lambda one: one.rows[0])  # what begins alike is read together
        self._load()
        yield from likelihoods(wanted, self._reader, window=self._window, budget=self._budget)

    def runtime(self) -> dict[str, Any]:
        """Device, and the tokens of a batch: as planned, and what memory held if that was less."""
        facts: dict[str, Any] = {"device": self._device, "batch_tokens": self._budget}
        if self._answerer is not None and self._answerer.budget is not None:
            facts["batch_tokens_after_out_of_memory"] = self._answerer.budget
        return facts

    def close(self) -> None:
        """Free the weights."""
        if self._answerer is not None:
            from empeval.generators.hf.answers import free_memory

            self._answerer = self._reader = None
            free_memory()

    def _load(self) -> Answerer:
        if self._answerer is None:
            from empeval.generators.hf.answers import Answerer
            from empeval.generators.hf.decode import Decoder
            from empeval.generators.hf.loading import load_model

            model = load_model(
                self._files,
                self._config,
                adapter=self._adapter,
                device=self._device,
                dtype=self._dtype,
                quantize=self._quantize,
            )
            rows = model.get_input_embeddings().weight.shape[0]
            highest = max((t for p in self._prompts.values() for t in p.tokens), default=0)
            if highest >= rows:
                raise UsageError(
                    f"The adapter's tokenizer gives the token {highest}, but neither the model nor "
                    f"the adapter has more than {rows}: they do not belong together."
                )
            decoder = Decoder(model, self._prompter.tokenizer)
            self._reader = decoder.reader
            self._answerer = Answerer(decoder, self._window)
        return self._answerer

    @cached_property
    def _prompter(self) -> Prompter:
        from empeval.generators.hf.loading import load_tokenizer
        from empeval.generators.hf.prompts import Prompter, read_template

        if self._adapter is None:
            return Prompter(load_tokenizer(self._files), self._chat_template)
        speaker = self._adapter if self._adapter_speaks else self._files
        tokenizer = load_tokenizer(speaker)
        own = self._adapter.folder / "chat_template.jinja"
        if speaker is self._files and own.is_file():
            tokenizer.chat_template = read_template(own)
        elif tokenizer.chat_template is None:  # an adapter may bring tokens and no template
            tokenizer.chat_template = load_tokenizer(self._files).chat_template
        return Prompter(tokenizer, self._chat_template)

    @property
    def _adapter_speaks(self) -> bool:
        return self._adapter is not None and has_tokenizer(self._adapter.folder)

    @property
    def _vocabulary(self) -> int | None:
        """How many tokens the model knows, with those that its adapter may add."""
        known = getattr(self._config.get_text_config(), "vocab_size", None)
        if known is None or not self._adapter_speaks:
            return known
        return max(int(known), len(self._prompter.tokenizer))

    @cached_property
    def _config(self) -> Any:
        from empeval.generators.hf.loading import load_config

        return load_config(self._files)

    @cached_property
    def _device(self) -> str:
        from empeval.generators.hf.loading import choose_device

        return choose_device(self._wanted_device)

    @cached_property
    def _dtype(self) -> Any:
        from empeval.generators.hf.loading import choose_dtype

        stored = self._config.dtype or self._config.get_text_config().dtype
        return choose_dtype(self._wanted_dtype, self._device, stored)

    @property
    def _budget(self) -> int:
        if self._batch_tokens:
            return self._batch_tokens
        least, most = GPU_BATCH_TOKENS if self._on_gpu else CPU_BATCH_TOKENS
        size = self._token_bytes if self._shares else None
        if not size:
            return least
        room = CPU_CACHE_BYTES
        if self._on_gpu:
            from empeval.generators.hf.loading import gpu_bytes

            room = int(GPU_CACHE_SHARE * gpu_bytes(self._device))
        return max(least, min(most, room // size))

    @property
    def _on_gpu(self) -> bool:
        return not self._device.startswith("cpu")

    @cached_property
    def _shares(self) -> bool:
        """Whether prompts can take their beginnings from others."""
        from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

        from empeval.generators.hf.decode import OWN_STATE
        from empeval.generators.hf.prefill import can_share

        if self._adapter is not None and self._quantize is not None:
            return False  # the adapter is not merged and stands around the model
        config = self._config
        kind = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
        return config.model_type not in OWN_STATE and can_share(kind, config)

    @property
    def _token_bytes(self) -> int | None:
        """What a token takes in the cache; ``None`` where the configuration does not say."""
        config = self._config.get_text_config()
        layers, heads, width = (
            getattr(config, name, None)
            for name in ("num_hidden_layers", "num_attention_heads", "hidden_size")
        )
        if not (isinstance(layers, int) and isinstance(heads, int) and isinstance(width, int)):
            return None
        size = getattr(config, "head_dim", None) or width // heads
        kept = getattr(config, "num_key_value_heads", None) or heads
        return int(2 * layers * kept * size * self._dtype.itemsize)

    @property
    def _window(self) -> int | None:
        window = getattr(self._config.get_text_config(), "max_position_embeddings", None)
        return window if isinstance(window, int) and window > 0 else None

    def _prompt(self, item: Item) -> Prompt:
        messages = tuple(item.messages)
        if messages not in self._prompts:
            prompter = self._prompter  # a tokenizer that cannot be loaded is no item's fault
            try:
                self._prompts[messages] = prompter.prompt(messages)
            except UsageError as error:
                raise error.reworded(f"Item '{item.id}': {error}") from error
        return self._prompts[messages]

    def _fits(self, item: Item) -> bool:
        return self._window is None or len(self._prompt(item).tokens) < self._window
