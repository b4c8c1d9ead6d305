"""A transformers model as what answers behind ``ModelServer``, with probabilities of tokens."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any


def top_logprobs(shares: Mapping[str, float]) -> dict[str, Any]:
    """A chat's ``logprobs`` with these likeliest first tokens."""
    listed = [{"token": token, "logprob": math.log(share)} for token, share in shares.items()]
    return {"content": [{**listed[0], "top_logprobs": listed}]}


class LikelyModel:
    """Answers with one token, the likeliest, and says what it is asked of probabilities.

    Computed by one plain forward pass of the whole text, not as the product does.

    Args:
        folder: of a transformers model.
        knows: ``echo``, ``prompt`` (vLLM's field of chats), ``top``; other fields are ignored.
        legacy: whether completions have the likeliest tokens in OpenAI's first shape.
    """

    def __init__(
        self,
        folder: Path,
        knows: Collection[str] = ("echo", "prompt", "top"),
        *,
        legacy: bool = True,
    ) -> None:
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
        self.knows = knows
        self.legacy = legacy
        self._lock = threading.Lock()

    def __call__(self, question: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        chat = "messages" in request
        ids = self.tokenizer(
            self._chat(request) if chat else request["prompt"], add_special_tokens=not chat
        ).input_ids
        logs = self._logs(ids)
        written = int(logs[-1].argmax())
        made: dict[str, Any] = {
            "text": self.tokenizer.decode([written]),
            "prompt_tokens": len(ids),
            "completion_tokens": 1,
            "finish_reason": "length",
            "choice": {},
        }
        tokens = [*ids, written]
        values = [None, *(logs[i, token].item() for i, token in enumerate(tokens[1:]))]
        texts = [self.tokenizer.decode([token]) for token in tokens]
        if request.get("echo") and "echo" in self.knows:
            made["choice"]["logprobs"] = {"tokens": texts, "token_logprobs": values}
        elif request.get("logprobs") and "top" in self.knows:
            count = request["top_logprobs"] if chat else request["logprobs"]
            best = logs[-1].topk(min(count, logs.shape[1]))
            pairs = [
                (self.tokenizer.decode([int(token)]), value.item())
                for token, value in zip(best.indices, best.values, strict=True)
            ]
            shares = {token: math.exp(value) for token, value in reversed(pairs)}
            made["choice"]["logprobs"] = (
                {"top_logprobs": [dict(pairs)]} if not chat and self.legacy
                else top_logprobs(shares)
            )  # fmt: skip
        if "prompt_logprobs" in request and "prompt" in self.knows:
            listed = [
                {str(token): {"logprob": value, "rank": 1, "decoded_token": text}}
                for token, value, text in zip(ids[1:], values[1:], texts[1:], strict=False)
            ]
            made["reply"] = {"prompt_logprobs": [None, *listed]}
        return made

    def _chat(self, request: dict[str, Any]) -> str:
        text: str = self.tokenizer.apply_chat_template(
            request["messages"],
            tokenize=False,
            add_generation_prompt=request.get("add_generation_prompt", True),
            continue_final_message=request.get("continue_final_message", False),
        )
        return text

    def _logs(self, ids: list[int]) -> Any:
        import torch

        with self._lock, torch.no_grad():
            return self.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
