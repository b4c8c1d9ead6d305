"""Turns an answer's tokens into text and finds the stop strings in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from empeval.reasoning import Tags, marks


class Text:
    """Reads the answers of one tokenizer.

    Special tokens are left out of an answer's text, but for those that mark thoughts: without them
    nobody could tell a thought from the answer. A stop string that names a special token is
    looked for in the text with all of them.

    Args:
        tokenizer: a transformers tokenizer.
        special: its special tokens, see ``special_tokens``.
        tags: what marks a thought.
    """

    def __init__(self, tokenizer: Any, special: dict[int, str], tags: Sequence[Tags]) -> None:
        self._tokenizer = tokenizer
        self._special = special
        self._tags = tags
        self._kinds: dict[tuple[str, ...], tuple[list[str], list[str]]] = {}

    def of(self, tokens: Sequence[int]) -> str:
        """The text of an answer."""
        there = {self._special[token] for token in tokens if token in self._special}
        if there:
            kept = marks(there, self._tags)
            tokens = [t for t in tokens if t not in self._special or self._special[t] in kept]
        return self._whole(tokens)

    def holds(self, tokens: Sequence[int], stops: Sequence[str]) -> bool:
        """Whether one of some stop strings is in an answer."""
        plain, named = self._sorted(stops)
        text = self.of(tokens) if plain else ""
        whole = self._whole(tokens) if named else ""
        return any(stop in text for stop in plain) or any(stop in whole for stop in named)

    def ending(self, tokens: Sequence[int], stops: Sequence[str]) -> tuple[str, str] | None:
        """The text before the first of some stop strings, and which it is."""
        plain, named = self._sorted(stops)
        text = self.of(tokens) if stops else ""
        found = [(text.find(stop), stop) for stop in plain if stop in text]
        if named:
            whole = self._whole(tokens)
            positions = [(whole.find(stop), stop) for stop in named if stop in whole]
            found += [(self._position(tokens, position), stop) for position, stop in positions]
        if not found:
            return None
        position, stop = min(found)
        return text[:position], stop

    def result(
        self, tokens: Sequence[int], *, ends: Sequence[int], stops: Sequence[str], limit: int
    ) -> tuple[str, int, str] | None:
        """An answer that has ended, ``None`` of one that goes on.

        Args:
            tokens: so far, perhaps with some behind the end.
            ends: tokens that end a text.
            stops: strings that end it.
            limit: the most tokens of it.

        Returns:
            Its text; its tokens, without the one that ended it; ``eos``, ``length`` or the stop
            string.
        """
        end = next((i for i, token in enumerate(tokens) if token in ends), None)
        count = len(tokens) if end is None else end
        if (found := self.ending(tokens[:count], stops)) is not None:
            return found[0], count, found[1]
        if end is None and count < limit:
            return None
        return self.of(tokens[:count]), count, "length" if end is None else "eos"

    def _sorted(self, stops: Sequence[str]) -> tuple[list[str], list[str]]:
        """Stop strings without and with special tokens; asked for every token, so kept."""
        key = tuple(stops)
        if key not in self._kinds:
            named = [stop for stop in key if any(t in stop for t in self._special.values())]
            self._kinds[key] = ([stop for stop in key if stop not in named], named)
        return self._kinds[key]

    def _position(self, tokens: Sequence[int], position: int) -> int:
        """Where a position in the text with all special tokens is in the answer's text."""
        low, high = 0, len(tokens)
        while low < high:  # the most tokens whose text ends at or before the position
            middle = (low + high + 1) // 2
            if len(self._whole(tokens[:middle])) <= position:
                low = middle
            else:
                high = middle - 1
        before = tokens[:low]
        return len(self.of(before)) + position - len(self._whole(before))

    def _whole(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            list(tokens), skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return text


def end_tokens(stated: int | Sequence[int] | None, tokenizer: Any, known: int) -> list[int]:
    """The tokens that end a text: those that the model states, and its tokenizer's.

    Args:
        stated: in the model's generation config.
        tokenizer: a transformers tokenizer.
        known: how many tokens the model knows.
    """
    several = stated if isinstance(stated, Sequence) else [stated]
    ends = {*several, tokenizer.eos_token_id}
    return sorted(end for end in ends if end is not None and end < known)


def special_tokens(tokenizer: Any) -> dict[int, str]:
    """The tokens that ``skip_special_tokens`` leaves out, by id, as text."""
    candidates = {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}
    special: dict[int, str] = {}
    for token in sorted(candidates):
        text = tokenizer.decode([token], skip_special_tokens=False)
        if text and not tokenizer.decode([token], skip_special_tokens=True):
            special[token] = text
    return special
