"""Chats and pairs cut to a model's length: the earliest turns go first, the reply stays whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empeval import Message, UsageError
from empeval_training.eq.chats import Chat
from empeval_training.eq.pairs import Pair

Row = dict[str, Any]


def fit_chats(chats: Sequence[Chat], tokenizer: Any, max_length: int) -> list[Row]:
    """Rows for TRL's SFTTrainer: ``prompt`` and ``completion`` as messages.

    A chat whose reply does not fit beside its last turn is left out.

    Raises:
        UsageError: none fits.
    """
    rows = []
    for chat in chats:
        prompt = fit_prompt(chat.prompt, [chat.completion], tokenizer, max_length)
        if prompt is not None:
            rows.append({"prompt": prompt, "completion": plain(chat.completion)})
    return _some(rows, max_length)


def fit_pairs(
    pairs: Sequence[Pair], tokenizer: Any, max_length: int
) -> tuple[list[Row], list[Pair]]:
    """Rows for TRL's DPOTrainer, and the pairs that they are of, in the same order.

    Raises:
        UsageError: none fits.
    """
    rows, kept = [], []
    for pair in pairs:
        prompt = fit_prompt(pair.prompt, [pair.chosen, pair.rejected], tokenizer, max_length)
        if prompt is not None:
            rows.append(
                {"prompt": prompt, "chosen": plain(pair.chosen), "rejected": plain(pair.rejected)}
            )
            kept.append(pair)
    return _some(rows, max_length), kept


def fit_prompt(
    prompt: Sequence[Message],
    replies: Sequence[Sequence[Message]],
    tokenizer: Any,
    max_length: int,
) -> list[dict[str, str]] | None:
    """The prompt with as many of its latest turns as fit before the longest reply.

    System messages stay, and the first turn that is kept is the user's; ``None`` when even the
    last turn does not fit.
    """
    system = plain([m for m in prompt if m.role == "system"])
    turns = plain([m for m in prompt if m.role != "system"])
    longest = max((plain(r) for r in replies), key=lambda r: sum(len(m["content"]) for m in r))
    while turns:
        if length([*system, *turns, *longest], tokenizer) <= max_length:
            return [*system, *turns]
        turns = turns[1:]
        while turns and turns[0]["role"] != "user":
            turns = turns[1:]
    return None


def length(messages: Sequence[dict[str, str]], tokenizer: Any) -> int:
    """Tokens of messages in the model's chat template."""
    text = tokenizer.apply_chat_template(list(messages), tokenize=False)
    return len(tokenizer(text, add_special_tokens=False)["input_ids"])


def plain(messages: Sequence[Message]) -> list[dict[str, str]]:
    """Messages as dictionaries."""
    return [{"role": m.role, "content": m.content} for m in messages]


def _some(rows: list[Row], max_length: int) -> list[Row]:
    if not rows:
        raise UsageError(f"No example fits into max_length = {max_length} tokens; raise it.")
    return rows
