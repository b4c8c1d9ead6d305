"""Preference pairs for DPO: what a supporter said, and something worse, with the rule it is by."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from empeval import DataError, Message
from empeval.jsonl import read_objects
from empeval_training.eq.chats import support_chats
from empeval_training.eq.esconv import SUPPORTER, Talk

FAR = 4
"""Turns that lie between a turn and one of another strategy, in the same talk."""

LEAST_WORDS = 4
"""A chosen turn has so many words or more: a greeting shows no support."""

CANDIDATES = 8
"""So many are drawn by a rule, and the one whose length is nearest to the chosen turn's is taken:
otherwise the tuned model would learn to write more or less, and nothing else."""

RULES = {
    "failed-talk": "a listener's turn of a talk that the data set's authors rejected",
    "other-strategy": "a turn of the same talk, four or more turns away, by another strategy",
    "other-talk": "a supporter's turn of another talk",
    "own-weaker": "the tuned model's own reply, where a scorer finds it less empathetic",
}
"""How a rejected reply is drawn, by the rule's name."""

DRAWN = ("failed-talk", "other-strategy", "other-talk")
"""The rules that need no model."""


class Pair(msgspec.Struct, frozen=True):
    """A line of ``pairs-*.jsonl``.

    Attributes:
        id: of the chosen turn, and the rule.
        prompt: the turns before it; the user's is last.
        chosen: what the supporter said.
        rejected: something worse.
        rule: why it is worse; see ``RULES``.
        rating: the seeker's rating of empathy in the talk (1-5), where there is one.
    """

    id: str
    prompt: tuple[Message, ...]
    chosen: tuple[Message, ...]
    rejected: tuple[Message, ...]
    rule: str
    rating: int | None = None


def without_leaks(talks: Sequence[Talk], held_out: Iterable[Talk]) -> list[Talk]:
    """The talks of which no turn of eight words or more is in a held-out talk."""
    known = {turn.text.casefold() for talk in held_out for turn in talk.turns if _long(turn.text)}
    return [
        talk
        for talk in talks
        if not any(_long(turn.text) and turn.text.casefold() in known for turn in talk.turns)
    ]


def _long(text: str) -> bool:
    return len(text.split()) >= 8


def make_pairs(
    talks: Sequence[Talk],
    failed: Sequence[Talk],
    limit: int | None,
    seed: int,
    rules: Sequence[str] = DRAWN,
) -> list[Pair]:
    """A pair for each supporter's turn, better-rated talks first; the rules take turns.

    Args:
        talks: where chosen turns are from.
        failed: where ``failed-talk`` draws from; without them that rule is left out.
        limit: at most so many pairs.
        seed: of the draws.
        rules: of ``DRAWN``.
    """
    dice = random.Random(seed)  # noqa: S311 - no secret hangs on it
    ranked = sorted(talks, key=lambda talk: -(talk.empathy or 0))
    bad = [t.text for talk in failed for t in talk.merged().turns if t.speaker == SUPPORTER]
    usable = [rule for rule in rules if rule != "failed-talk" or bad]
    everything = [
        (talk.id, turn.text)
        for talk in talks
        for turn in talk.merged().turns
        if turn.speaker == SUPPORTER and len(turn.text.split()) >= LEAST_WORDS
    ]
    pairs: list[Pair] = []
    for talk in ranked:
        for chat in support_chats(talk):
            if limit is not None and len(pairs) >= limit:
                return pairs
            chosen = chat.completion[0].content
            if len(chosen.split()) < LEAST_WORDS:
                continue
            first = len(pairs) % len(usable)
            for rule in usable[first:] + usable[:first]:
                rejected = _draw(rule, talk, chat.id, chosen, bad, everything, dice)
                if rejected is not None and _differ(chosen, rejected):
                    pairs.append(
                        Pair(
                            id=f"{chat.id}~{rule}",
                            prompt=chat.prompt,
                            chosen=chat.completion,
                            rejected=(Message("assistant", rejected),),
                            rule=rule,
                            rating=talk.empathy,
                        )
                    )
                    break
    return pairs


def _draw(
    rule: str,
    talk: Talk,
    chat: str,
    chosen: str,
    bad: Sequence[str],
    everything: Sequence[tuple[str, str]],
    dice: random.Random,
) -> str | None:
    length = len(chosen.split())
    if rule == "failed-talk":
        return _nearest(dice.choices(bad, k=CANDIDATES), length)
    if rule == "other-talk":
        drawn = dice.choices(everything, k=CANDIDATES)
        return _nearest([text for home, text in drawn if home != talk.id], length)
    turns = talk.merged().turns
    place = int(chat.rpartition("#")[2]) - 1
    others = [
        turn.text
        for number, turn in enumerate(turns)
        if turn.speaker == SUPPORTER
        and abs(number - place) >= FAR
        and turn.strategy not in (None, turns[place].strategy)
    ]
    return _nearest(dice.sample(others, min(len(others), CANDIDATES)), length)


def _nearest(texts: Sequence[str], length: int) -> str | None:
    """The text whose number of words is nearest; ``None`` of none."""
    return min(texts, key=lambda text: abs(len(text.split()) - length), default=None)


def _differ(chosen: str, rejected: str) -> bool:
    return bool(rejected.strip()) and chosen.strip().casefold() != rejected.strip().casefold()


def count_rules(pairs: Iterable[Pair]) -> Mapping[str, int]:
    """How many pairs each rule gave."""
    return dict(sorted(Counter(pair.rule for pair in pairs).items()))


def read_pairs(path: Path) -> list[Pair]:
    """Pairs from a JSONL file that ``prepare-dpo`` wrote or a user edited.

    ``prompt``, ``chosen`` and ``rejected`` may be plain texts, too.

    Raises:
        DataError: a line is no pair, a text is empty, or both replies are the same; every such
            line is named, the first five with what is wrong.
    """
    pairs: list[Pair] = []
    wrong: list[str] = []
    for number, row in read_objects(path):
        try:
            pair = msgspec.convert(_as_messages(row, number), Pair)
        except msgspec.ValidationError as error:
            wrong.append(f"line {number}: {error}")
            continue
        problem = _problem(pair)
        if problem:
            wrong.append(f"line {number}: {problem}")
        else:
            pairs.append(pair)
    if wrong:
        more = f"; and {len(wrong) - 5} more lines" if len(wrong) > 5 else ""
        raise DataError(f"{path}: {'; '.join(wrong[:5])}{more}.")
    if not pairs:
        raise DataError(f"{path} has no pairs.")
    return pairs


def _as_messages(row: Mapping[str, object], number: int) -> dict[str, object]:
    roles = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
    made = {"id": str(number), "rule": "given", **row}
    for name, role in roles.items():
        if isinstance(made.get(name), str):
            made[name] = [{"role": role, "content": made[name]}]
    return made


def _problem(pair: Pair) -> str | None:
    for name in ("prompt", "chosen", "rejected"):
        messages: tuple[Message, ...] = getattr(pair, name)
        if not messages or not messages[-1].content.strip():
            return f"'{name}' is empty"
    if pair.prompt[-1].role != "user":
        return "'prompt' does not end with a user's turn"
    texts = [" ".join(m.content for m in side).strip() for side in (pair.chosen, pair.rejected)]
    if texts[0] == texts[1]:
        return "'chosen' and 'rejected' are the same"
    return None
