"""Dialogues as rows of tokens: the context view and the full view."""

from __future__ import annotations

from collections.abc import Hashable, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from empeval.toolkit import TokenRow, padded

MIN_CONTEXT = 32
"""Tokens kept for the context when a reply alone would fill a view, but never over half of it."""


@dataclass(frozen=True)
class Dialogue:
    """What a model judges.

    Attributes:
        context: the turns before the reply, the speaker's turn last.
        reply: the listener's turn to judge.
    """

    context: tuple[str, ...]
    reply: str


@dataclass(frozen=True)
class Row:
    """Token ids of one view, special tokens included, and where the reply begins in them."""

    ids: list[int]
    reply_start: int | None = None


@dataclass(frozen=True)
class Views:
    """A dialogue as rows of tokens.

    Attributes:
        context, full, reply: the context alone, with the reply, and the reply alone.
        cut: what did not fit, in words for a note.
        unknown: share of the reply's tokens that the vocabulary does not have, in [0, 1].
    """

    context: Row
    full: Row
    reply: Row
    cut: tuple[str, ...]
    unknown: float


class ViewBuilder:
    """Turns dialogues into views with a tokenizer.

    ``[CLS] turn [SEP] turn [SEP]`` is the context view, and the full view goes on with
    ``reply [SEP]``; ``[CLS] reply [SEP]`` is the reply alone. When a dialogue is too long the reply
    is kept whole and the oldest tokens of the context go; a reply that would leave the context
    fewer than 32 tokens (in views of under 66, fewer than half) loses its end.

    Args:
        tokenizer: of the encoder, with ``cls``/``sep`` or ``bos``/``eos`` tokens.
        max_length: the most tokens of a view.

    Attributes:
        padding: the number of the token that fills rows up.
        segments: whether the encoder reads token types.
    """

    def __init__(self, tokenizer: Any, max_length: int) -> None:
        self._tokenizer = tokenizer
        self.max_length = max_length
        first = tokenizer.cls_token_id
        last = tokenizer.sep_token_id
        self._first = tokenizer.bos_token_id if first is None else first
        self._last = tokenizer.eos_token_id if last is None else last
        self.padding = tokenizer.pad_token_id or 0
        self.segments = "token_type_ids" in tokenizer.model_input_names

    def build(
        self,
        dialogues: Sequence[Dialogue],
        shared: MutableMapping[Hashable, Any] | None = None,
    ) -> list[Views]:
        """Views of dialogues, in their order; each different text is tokenized once.

        Args:
            dialogues: any number.
            shared: ``Scorer.shared_work``: views that another builder with the same tokenizer and
                limit has left there are taken, and new ones left. They must not be changed.
        """
        known: dict[Dialogue, Views] = {}
        if shared is not None:
            known = shared.setdefault((ViewBuilder, self._tokenizer, self.max_length), known)
        new = [dialogue for dialogue in dict.fromkeys(dialogues) if dialogue not in known]
        known.update(zip(new, self._built(new), strict=True))
        return [known[dialogue] for dialogue in dialogues]

    def _built(self, dialogues: Sequence[Dialogue]) -> list[Views]:
        texts = list(dict.fromkeys(t for d in dialogues for t in (*d.context, d.reply)))
        if not texts:
            return []
        # A text that spells out [SEP] does not get to draw the line between turns.
        rows = self._tokenizer(
            texts, add_special_tokens=False, split_special_tokens=True, verbose=False
        )["input_ids"]
        ids = dict(zip(texts, rows, strict=True))
        return [self._views([ids[turn] for turn in d.context], ids[d.reply]) for d in dialogues]

    def _views(self, turns: Sequence[list[int]], reply: list[int]) -> Views:
        cut = []
        room = self.max_length - 2
        context = [token for turn in turns for token in (*turn, self._last)]
        alone = [self._first, *context[-(self.max_length - 1) :]]
        least = min(len(context), MIN_CONTEXT, room // 2)
        if len(reply) + least > room:
            kept = reply[: room - least]
            cut.append(f"the reply's first {len(kept)} of {len(reply)} tokens were read")
        else:
            kept = reply
        left = room - len(kept)
        if len(context) > left:
            cut.append(f"the context's latest {left} of {len(context)} tokens were read")
        seen = context[-left:] if left else []
        unknown = self._tokenizer.unk_token_id
        share = sum(t == unknown for t in kept) / len(kept) if kept else 1.0
        return Views(
            context=Row(alone),
            full=Row([self._first, *seen, *kept, self._last], 1 + len(seen)),
            reply=Row([self._first, *kept, self._last]),
            cut=tuple(cut),
            unknown=share,
        )

    def tensors(self, rows: Sequence[Row]) -> dict[str, Any]:
        """Padded tensors of rows, each of shape (rows, longest), int64."""
        given = [TokenRow(row.ids, second=row.reply_start) for row in rows]
        return padded(given, padding=self.padding, segments=self.segments)
