"""The task ``esconv-replay``."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Literal

from empeval import Item, Message, Sampling, Task, TaskCard, Turn, UsageError
from empeval_tasks.esconv_replay.rows import (
    CITATION,
    DATASET,
    LICENSE,
    SUPPORTER,
    Talk,
    alternating,
    read_talks,
    split_files,
)

SYSTEM_PROMPT = (
    "You are a volunteer who chats online with people in distress. Listen to the person, help "
    "them to understand how they feel and, once you know enough, what they might do. Write as "
    "one writes in a chat: one to three sentences at a time."
)
"""Stands before every conversation. Changing it means raising the task's version."""
OPENING = "You have begun the chat with these words: {}"
"""Behind it where the supporter spoke first: many chat templates take no assistant's turn there."""

Split = Literal["test", "validation", "train"]


class ESConvReplay(Task):
    """What ESConv's seekers said, said again to the model, which answers each turn.

    Args:
        split: which part of the data set.
        turns: the most turns of a dialogue that are replayed; 0: all.
    """

    card = TaskCard(
        version="1",
        summary="Support a real seeker through a whole chat, turn by turn (ESConv, replayed).",
        provides=("reply", "reference"),
        scorers=("mvc", "stm", "baseline", "strategy-head", "surface", "similarity"),
        license=LICENSE,
        sampling=Sampling(max_tokens=120),
        dataset=DATASET,
        citation=CITATION,
        fingerprints={
            "split=test,turns=0": (
                "sha256:136769821bb85d107ee5eaf45aeff34954342acf143143dc73673c850281ac46",
            ),
            "split=validation,turns=0": (
                "sha256:66555dbc0c3d4544459904effd890faf6be2a27230d3de13742f333042254b41",
            ),
            "split=train,turns=0": (
                "sha256:597b3cfec2797183ae54dfff4ad08361ff7b033993e81ddbd97f7d4c31371da8",
            ),
        },
    )

    def __init__(self, *, split: Split = "test", turns: int = 0) -> None:
        if turns < 0:
            raise UsageError(f"turns is {turns}; it must be 0 (all) or more.")
        self.split: Split = split
        self.turns = turns

    def items(self) -> Iterator[Item]:
        """Yield the dialogues in the order of the data set; each is one scripted item.

        Raises:
            DataError: a row is no dialogue.
            HubError: the data set cannot be fetched.
        """
        for talk in read_talks(split_files(self.split), self.split):
            item = scripted(talk, self.turns)
            if item is not None:
                yield item

    def select(self, items: Sequence[Item], limit: int, seed: int) -> list[Item]:
        """Choose ``limit`` dialogues, drawn by the seed; a larger limit keeps a smaller one's."""
        drawn = sorted(items, key=lambda item: _draw(seed, item.id))[:limit]
        chosen = {item.id for item in drawn}
        return [item for item in items if item.id in chosen]

    def data_key(self) -> str:
        """Name the choice of rows."""
        return f"split={self.split},turns={self.turns}"


def scripted(talk: Talk, most: int = 0) -> Item | None:
    """A talk as an item: what the seeker says, with what the supporter replied as references.

    What the supporter says before the seeker has spoken goes into the system message, and what the
    seeker says after the supporter's last reply is left out. ``None``: nobody replies to anybody.

    Args:
        talk: a row.
        most: the most turns that are replayed; 0: all.

    Raises:
        DataError: a turn does not say who speaks, or what.
    """
    said = alternating(talk)
    system = SYSTEM_PROMPT
    if said and said[0].speaker == SUPPORTER:
        system = f"{SYSTEM_PROMPT}\n\n{OPENING.format(said[0].text)}"
        said = said[1:]
    script = tuple(
        Turn(
            asked.text,
            reference=replied.text,
            metadata={"strategies": list(replied.strategies)} if replied.strategies else {},
        )
        for asked, replied in zip(said[::2], said[1::2], strict=False)
    )
    if not script:
        return None
    known = ("problem_type", "emotion_type", "situation")
    return Item(
        id=talk.id,
        messages=(Message("system", system),),
        cluster=talk.id,
        metadata={name: str(talk.facts[name]) for name in known if talk.facts.get(name)},
        script=script[:most] if most else script,
    )


def _draw(seed: int, name: str) -> bytes:
    return hashlib.sha256(f"{seed} {name}".encode()).digest()
