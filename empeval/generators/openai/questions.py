"""What is sent: an item as the body of a request."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Literal

from empeval.errors import UsageError
from empeval.generators.hf.prompts import PLAIN_STOP, plain_text
from empeval.records import Item, Sampling

Api = Literal["chat", "completions"]
ENDPOINTS: dict[Api, str] = {"chat": "chat/completions", "completions": "completions"}

OWN = {
    "model": "the model's URI, openai:NAME",
    "messages": "the task",
    "prompt": "the task",
    "max_tokens": "--max-tokens",
    "max_completion_tokens": "--max-tokens",
    "temperature": "--temperature",
    "top_p": "--top-p",
    "stop": "--stop",
    "seed": "--seed",
    "n": "nobody: an item has one answer",
    "stream": "nobody: answers come whole",
    "echo": "likelihood=echo",
    "logprobs": "likelihood",
    "top_logprobs": "top_logprobs",
    "prompt_logprobs": "likelihood=prompt",
}
"""Fields that ``extra`` may not set, and who does."""
OMITTABLE = ("max_tokens", "temperature", "top_p", "stop", "seed")


class Asking:
    """Writes requests.

    Args:
        model: as the server calls it.
        api: ``chat`` sends the messages, ``completions`` their plain format as a prompt.
        extra: further fields of the body, such as ``{"reasoning_effort": "low"}``.
        omit: fields that are left out, for servers that do not take them.

    Attributes:
        long_name: whether the server wants ``max_completion_tokens`` in the place of
            ``max_tokens``; set when it says so.

    Raises:
        UsageError: ``extra`` or ``omit`` name what they may not.
    """

    def __init__(
        self, model: str, api: Api, extra: Mapping[str, Any], omit: Collection[str]
    ) -> None:
        for name in extra:
            if name in OWN:
                raise UsageError(f"extra: '{name}' is set by {OWN[name]}.")
        unknown = sorted(set(omit) - set(OMITTABLE))
        if unknown:
            raise UsageError(
                f"omit: '{unknown[0]}' cannot be left out; it takes {', '.join(OMITTABLE)}."
            )
        self.model = model
        self.api: Api = api
        self.long_name = False
        self._extra = dict(extra)
        self._omit = frozenset(omit)

    def stops(self, item: Item, sampling: Sampling) -> tuple[str, ...]:
        """Strings that end the item's answer."""
        turns = self.api == "completions" and len(item.messages) > 1
        return (*sampling.stop, *(PLAIN_STOP if turns else ()))

    def raw(self, item: Item) -> bool:
        """Whether the answer goes on with a text, and is kept to the letter."""
        return self.api == "completions" and len(item.messages) == 1

    def text(self, item: Item) -> str:
        """The item for a person: the prompt, or a line a message."""
        if self.api == "completions":
            return plain_text(item.messages)
        return "\n".join(f"[{m.role}] {m.content}" for m in item.messages)

    def probe(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON of a request for the probabilities of tokens: one token is written."""
        limit = "max_completion_tokens" if self.long_name else "max_tokens"
        sent: dict[str, Any] = {"model": self.model, limit: 1, "temperature": 0.0}
        kept = {name: value for name, value in sent.items() if name not in self._omit}
        return {**kept, **self._extra, **fields}

    def body(self, item: Item, sampling: Sampling) -> dict[str, Any]:
        """The request's JSON."""
        fields: dict[str, Any] = {
            "max_tokens": sampling.max_tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed,
        }
        if sampling.temperature > 0 and sampling.top_p < 1:
            fields["top_p"] = sampling.top_p
        if stops := self.stops(item, sampling):
            fields["stop"] = list(stops)
        fields = {name: value for name, value in fields.items() if name not in self._omit}
        if self.long_name and "max_tokens" in fields:
            fields["max_completion_tokens"] = fields.pop("max_tokens")
        asked: dict[str, Any] = {"model": self.model}
        if self.api == "completions":
            asked["prompt"] = plain_text(item.messages)
        else:
            asked["messages"] = [{"role": m.role, "content": m.content} for m in item.messages]
        return {**asked, **fields, **self._extra}
