"""``openvino:TARGET`` answers on a CPU with a causal language model through OpenVINO's engine.

Prompts are made and answers are read as by ``hf:``, so that the two ask the very same tokens.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from empeval.cards import ModelCard
from empeval.errors import StorageError, UsageError
from empeval.extras import require
from empeval.generators.hf import DType, HuggingFace
from empeval.generators.hf.files import ModelFiles, fetch_weights, find_files
from empeval.generators.openvino.files import (
    GGUFFacts,
    exported,
    find_exported,
    gguf_facts,
    packaged,
)
from empeval.interfaces import Generator
from empeval.pairs import json_object
from empeval.records import Continuations, Item, LogLikelihood, Sampling

if TYPE_CHECKING:
    from empeval.generators.hf.answers import Answerer

PRECISIONS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
OURS = ("INFERENCE_PRECISION_HINT",)
"""Properties of the engine that are set here."""


class OpenVINO(HuggingFace):
    """A model on OpenVINO's engine, on this machine's CPU.

    Args:
        target: a ``.gguf`` file; a folder that was exported to OpenVINO's format; another model
            folder, a hub id or ``packaged:NAME``, whose weights are handed over as float16.
        revision: branch, tag or commit of a hub model.
        dtype: what is computed in; ``auto`` is float32.
        chat_template: as for ``hf``.
        batch: questions handed to the engine together; it schedules them itself. An interrupted
            run repeats an unfinished batch whole.
        engine: JSON object of further properties of the engine:
            ``{"INFERENCE_NUM_THREADS": 4}``.

    Raises:
        UsageError: the target is no model that the engine can compute, or an option makes no
            sense.
        HubError: the hub does not give the model.
    """

    summary = "a .gguf file, a model folder or packaged:NAME, through OpenVINO's engine on a CPU"
    extra: ClassVar[str] = "openvino"
    gives_likelihood: ClassVar[bool] = False

    def __init__(
        self,
        target: str,
        *,
        revision: str | None = None,
        dtype: DType = "auto",
        chat_template: str = "auto",
        batch: int = 64,
        engine: str = "",
    ) -> None:
        if not target:
            raise UsageError(
                "'openvino:' needs a .gguf file, a folder, a hub id or a packaged model: "
                "openvino:packaged:NAME"
            )
        if batch < 1:
            raise UsageError(f"batch is {batch}; it must be 1 or more.")
        self._batch = batch
        self._properties = json_object(engine, "engine", '{"INFERENCE_NUM_THREADS": 4}')
        for name in OURS:
            if name in self._properties:
                raise UsageError(f"engine: '{name}' is what dtype says.")
        if dtype == "bfloat16" and _threads(self._properties) == 1:
            raise UsageError(
                "OpenVINO's engine takes the whole process down in bfloat16 with one thread "
                "(seen with 2026.4): give it more, or leave dtype out."
            )
        super().__init__(
            target,
            revision=revision,
            dtype="float32" if dtype == "auto" else dtype,
            device="cpu",
            chat_template=chat_template,
        )
        if not self._exported:
            self._require(target, "gguf")

    def _find(self, target: str, revision: str | None) -> ModelFiles:
        if target.startswith("packaged:"):
            return packaged(target.removeprefix("packaged:"))
        if exported(target):
            return find_exported(target, revision)
        return find_files(target, revision)

    @property
    def card(self) -> ModelCard:
        """The card of the same model under ``hf:``, with the engine and how it holds weights."""
        from empeval.environment import version

        card = super().card
        details = {
            **card.details,
            "engine": f"openvino-genai {version('openvino-genai') or '(not installed)'}",
            "weights": self._weights,
        }
        if self._properties:
            details["engine_properties"] = self._properties
        made: ModelCard = msgspec.structs.replace(card, details=details)
        return made

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """As for ``hf``; and whether the engine is there and computes such models.

        Raises:
            UsageError: it is not, or does not; or tokenizer, configuration or template cannot
                be used.
        """
        require("'openvino:'", "openvino_genai", extra=self.extra)
        self._check_computable()
        return super().prepare(questions)

    def plan(self, items: Sequence[Item], sampling: Sampling) -> list[list[Item]]:
        """As many as ``batch`` together, those with long prompts first."""
        ordered = sorted(items, key=lambda item: -len(self._prompt(item).tokens))
        plan = [ordered[i : i + self._batch] for i in range(0, len(ordered), self._batch)]
        self._batches = {(i.task, i.id): number for number, batch in enumerate(plan) for i in batch}
        return plan

    def loglikelihood(self, requests: Sequence[Continuations]) -> Iterator[LogLikelihood]:
        """Refused: the engine is asked for text alone.

        Raises:
            UsageError: always.
        """
        return Generator.loglikelihood(self, requests)

    def runtime(self) -> dict[str, Any]:
        """The engine's versions and properties, and the questions of a batch."""
        from empeval.environment import version

        return {
            "openvino": version("openvino"),
            "openvino-genai": version("openvino-genai"),
            "properties": self._all_properties,
            "batch": self._batch,
        }

    @property
    def _all_properties(self) -> dict[str, Any]:
        precision = PRECISIONS[str(self._dtype).removeprefix("torch.")]
        ours = {
            "INFERENCE_PRECISION_HINT": precision,
            # by itself the engine keeps states in 8 bits, and rounds what meets 8-bit weights
            "KV_CACHE_PRECISION": precision,
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0,
        }
        return ours | self._properties

    @property
    def _exported(self) -> bool:
        return self._files.gguf is None and exported(str(self._files.folder))

    @cached_property
    def _facts(self) -> GGUFFacts | None:
        return gguf_facts(self._files.folder / self._files.gguf) if self._files.gguf else None

    @property
    def _weights(self) -> str:
        """How the engine gets the weights."""
        if self._facts is not None:
            return f"GGUF {self._facts.file_type}"
        return "OpenVINO's format" if self._exported else "float16"

    def _check_computable(self) -> None:
        from empeval.generators.openvino.convert import check_convertible, check_readable

        if self._facts is not None:
            check_readable(self._facts, self._files.name)
        elif not self._exported:
            check_convertible(self._config, self._files.name)

    def _load(self) -> Answerer:
        if self._answerer is None:
            from empeval.generators.hf.answers import Answerer
            from empeval.generators.hf.text import end_tokens
            from empeval.generators.openvino.convert import write_gguf
            from empeval.generators.openvino.engine import Engine
            from empeval.generators.openvino.files import stated_ends

            require("'openvino:'", "openvino_genai", extra=self.extra)
            self._check_computable()
            tokenizer = self._prompter.tokenizer
            known = self._vocabulary or len(tokenizer)
            ends = end_tokens(stated_ends(self._files, self._config), tokenizer, known)
            folder = fetch_weights(self._files) if not self._exported else self._files.folder
            if self._files.gguf or self._exported:
                path = folder / (self._files.gguf or "")
                made = Engine(path, self._all_properties, tokenizer, ends)
            else:
                with tempfile.TemporaryDirectory(prefix="empeval-openvino-") as room:
                    path = Path(room) / f"{folder.name}.gguf"
                    try:
                        write_gguf(folder, self._config, path)
                    except OSError as error:
                        raise StorageError(
                            f"The weights of {self._files.name} could not be written to {room} "
                            f"for OpenVINO's engine: {error.strerror or error}. Make room, or "
                            "set TMPDIR to another folder."
                        ) from error
                    made = Engine(path, self._all_properties, tokenizer, ends)
            self._answerer = Answerer(made, self._window)
        return self._answerer


def _threads(properties: Mapping[str, Any]) -> int:
    """How many threads the engine will use; 0 where the properties do not say so as a number."""
    stated = properties.get("INFERENCE_NUM_THREADS", os.cpu_count())
    return int(stated) if str(stated).isdigit() else 0
