"""Rated sets in every published layout, and a mirror to go with them, in words of our own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from support.support_talks import write_lines

COLUMNS = ("sp_id", "rp_id", "seeker_post", "response_post", "er", "ip", "ex")
EMOTIONS = ("sad", "proud", "angry")
SPLITS = {"train": range(200), "validation": range(200, 230), "test": range(230, 250)}
"""Numbers of the conversations in the mirror's EmpatheticDialogues."""
RATED, EXCHANGED = range(60), range(40, 110)
"""Numbers of the conversations that are in a rated set."""


def post(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of EPITOME."""
    row = {
        "sp_id": f"s{number}",
        "rp_id": f"r{number}",
        "seeker_post": f"I failed the exam number {number}.",
        "response_post": "Oh no, which one?",
        "er": "1",
        "ip": "0",
        "ex": "2",
    }
    return row | changes


def reply(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of the ratings 1-3."""
    row = {
        "dialog_id": f"hit:{number}_conv:1",
        "emotion": "sad",
        "speaker_utterance": f"My plant number {number} died.",
        "system": "human",
        "response": "Oh, how sad.",
        "empathy_rating": 3,
    }
    return row | changes


def exchange(number: int = 1, turn: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of EmpatheticExchanges."""
    row = {
        "conv_id": f"hit:{number}_conv:1",
        "exchange_number": turn,
        "emotion": "sad",
        "speaker_utterance": f"Said {turn} of {number}.",
        "listener_utterance": f"Answered {turn} of {number}.",
        "empathy": 4,
    }
    return row | changes


def condolence(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A row of condolence."""
    row = {
        "id": number,
        "target": f"We buried our dog number {number}.",
        "observer": "I am sorry for your loss.",
        "raters": [4, 2],
    }
    return row | changes


def turn(speaker: str, text: str, feedback: str | None = None) -> dict[str, Any]:
    """A turn of ESConv."""
    return {
        "speaker": speaker,
        "content": text,
        "annotation": {"feedback": feedback} if feedback else {},
    }


def write_posts(path: Path, posts: list[dict[str, Any]]) -> Path:
    """EPITOME's file."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(posts)
    return path


def said(number: int, warmth: int) -> str:
    """A reply that people rate the higher the warmer (0-2) it is."""
    return (
        f"Okay, {number}.",
        f"So what did you do then, {number}?",
        f"I am so sorry to hear that, {number}! That must have been hard.",
    )[warmth]


def write_rated(folder: Path) -> Path:
    """A folder of four rated sets, with ratings that go with the words."""
    folder.mkdir(parents=True, exist_ok=True)
    write_posts(
        folder / "epitome.csv",
        [
            post(n, response_post=said(n, n % 3), er=n % 3, ip=(n // 3) % 3, ex=int(n % 3 == 1) * 2)
            for n in range(90)
        ],
    )
    replies = [
        reply(n, emotion=EMOTIONS[n % 3], system=system, response=f"{said(n, (n + k) % 3)} {k}",
              empathy_rating=1 + (n + k) % 3, rater_group=f"g{n % 2}")
        for n in RATED
        for k, system in enumerate(("human", "model a", "model b"))
    ]  # fmt: skip
    write_lines(folder / "ratings.jsonl", replies)
    write_lines(
        folder / "exchanges.jsonl",
        [
            exchange(n, turn, listener_utterance=said(n, (n + turn) % 3),
                     empathy=min(5, 1 + 2 * ((n + turn) % 3) + n % 2))
            for n in EXCHANGED
            for turn in (1, 2)
        ],
    )  # fmt: skip
    write_lines(
        folder / "condolence.jsonl",
        [
            condolence(n, observer=said(n, n % 3), raters=[1 + 2 * (n % 3), 1 + n % 5])
            for n in range(60)
        ],
    )
    (folder / "SOURCES.md").write_text("Where these are from.\n")
    return folder


def write_rated_mirror(root: Path) -> Path:
    """A mirror of EmpatheticDialogues and ESConv for the rated folder."""
    for split, numbers in SPLITS.items():
        write_conversations(root / "facebook" / "empathetic_dialogues", split, numbers)
    for split, start in (("validation", 0), ("test", 40)):
        talks = [
            {
                "dialog": [
                    turn("seeker", f"Hello, I am number {n}."),
                    turn("supporter", said(n, n % 3)),
                    turn("seeker", "Yes, it is like that.", str(1 + 2 * (n % 3))),
                    turn("supporter", said(n, (n + 1) % 3)),
                    turn("seeker", "I see.", str(1 + (n + 1) % 3)),
                ]
            }
            for n in range(start, start + 40)
        ]
        write_lines(root / "thu-coai" / "esconv" / f"{split}.jsonl", talks)
    return root


def write_conversations(folder: Path, split: str, numbers: Any) -> None:
    """Conversations of four turns, two of them the listener's."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{split}.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("conv_id", "utterance_idx", "context", "prompt", "speaker_idx", "utterance")
        )
        for number in numbers:
            emotion = EMOTIONS[number % 3]
            turns = (
                f"Something {emotion} number {number} happened.",
                said(number, number % 3),
                "Yes it was.",
                f"That must have been {number} long hours. I know the place.",
            )
            for turn, text in enumerate(turns, 1):
                writer.writerow([f"hit:{number}_conv:1", turn, emotion, "", turn % 2, text])


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The objects of a file."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def teacher_rows(replies: Any) -> list[Any]:
    """Rated replies as the teacher reads them."""
    from empeval_training.teacher.targets import TeacherRow

    return [TeacherRow(r.context, r.reply) for r in replies]
