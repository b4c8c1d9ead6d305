"""The reward that a DPO model implies: how much likelier it finds a reply than its reference does.

``r(x, y) = beta * (log p_dpo(y | x) - log p_ref(y | x))`` (Rafailov et al. 2023, eq. 5 up to a
term of the prompt alone), mapped into (0, 1) by the logistic function: the probability that the
DPO model prefers the reply to one that both models find equally likely.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from empeval import Sample, UsageError
from empeval.toolkit import ADAPTER, locate

MAX_LENGTH = 1024


POLICY = "reward"
REFERENCE = "reward-reference"
"""Folders beside ``eq.json``: the DPO adapter, and the one that DPO began with, if any."""


class Reward:
    """A DPO adapter on its base, ready to be asked.

    Args:
        base: the name of the model that the adapters are of.
        adapter: a PEFT folder with the LoRA that DPO made.
        beta: of the DPO training.
        reference: the LoRA that DPO began with; without one the base itself is the reference.

    Raises:
        UsageError: an adapter is missing or does not fit the base.
        EmpevalError: the base cannot be had.
    """

    def __init__(
        self, base: str, adapter: Path, beta: float, reference: Path | None = None
    ) -> None:
        import torch
        from peft import PeftModel
        from transformers import AutoModelForCausalLM, AutoTokenizer

        if not (adapter / ADAPTER).is_file():
            raise UsageError(
                f"eq.json asks for the DPO model's reward, but {adapter} holds no adapter "
                f"({ADAPTER})."
            )
        folder = locate(base)
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            model = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, use_safetensors=True, **options
            )
            self._model = PeftModel.from_pretrained(model, str(adapter), adapter_name=POLICY).eval()
            if reference is not None:
                adapter = reference
                self._model.load_adapter(str(reference), adapter_name=REFERENCE)
        except Exception as error:  # broken files raise whatever they like
            reason = " ".join(str(error).split())[:200]
            raise UsageError(f"The adapter {adapter} cannot be put on {base}: {reason}") from error
        if not self._tokenizer.chat_template:
            raise UsageError(f"The base {base} has no chat template, so no reward can be asked.")
        self._beta = beta
        self._has_reference = reference is not None

    def of(self, samples: Sequence[Sample]) -> list[float]:
        """The reward of each reply, mapped into (0, 1)."""
        import torch

        rewards = []
        with torch.inference_mode():
            for sample in samples:
                ids, start = self._tokens(sample)
                policy = self._logp(ids, start)
                with self._as_reference():
                    reference = self._logp(ids, start)
                rewards.append(1 / (1 + math.exp(-max(-700.0, self._beta * (policy - reference)))))
        return rewards

    @contextmanager
    def _as_reference(self) -> Iterator[None]:
        if not self._has_reference:
            with self._model.disable_adapter():
                yield
            return
        self._model.set_adapter(REFERENCE)
        try:
            yield
        finally:
            self._model.set_adapter(POLICY)

    def _tokens(self, sample: Sample) -> tuple[list[int], int]:
        messages = [{"role": m.role, "content": m.content} for m in sample.item.messages]
        text = self._tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=True
        )
        prompt = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        reply = self._tokenizer(sample.text, add_special_tokens=False)["input_ids"]
        reply = reply[: MAX_LENGTH // 2]
        prompt = prompt[-(MAX_LENGTH - len(reply)) :]
        return [*prompt, *reply], len(prompt)

    def _logp(self, ids: list[int], start: int) -> float:
        import torch

        logits = self._model(input_ids=torch.tensor([ids])).logits[0, start - 1 : -1].float()
        chosen = torch.tensor(ids[start:]).unsqueeze(-1)
        total: float = logits.log_softmax(-1).gather(-1, chosen).sum().item()
        return total
