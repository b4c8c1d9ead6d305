"""A mirror with the three data sets of the EQ pipeline, in texts of our own."""

from __future__ import annotations

import csv
import json
from pathlib import Path

PROBLEMS = ("my job", "my exam", "the flat", "my brother", "the move", "our dog", "the test result")
OPENERS = (
    ("Question", "What happened with {0} since we last spoke?"),
    ("Reflection of feelings", "It sounds as if {0} keeps you awake at night."),
    ("Affirmation and Reassurance", "You have handled {0} with a lot of courage so far."),
    ("Providing Suggestions", "You could write down what worries you about {0}."),
    ("Self-disclosure", "I went through the same with {0} two winters ago."),
    ("Information", "Many towns have a free advice line for things like {0}."),
    ("Restatement or Paraphrasing", "So {0} is what you think about most of the time."),
    ("Others", "Good evening, thank you for telling me about {0}."),
)
SEEKER = (
    "I do not know what to do about {0} any more.",
    "It has been like this for number {1} weeks now.",
    "Perhaps, but I am still afraid of {0} going wrong again.",
    "That is kind of you to say.",
)

COMMENTS = (
    ("I am so glad", [17]),
    ("That scared me", [14]),
    ("Nothing much", [27]),
    ("Thank you for the soup", [15, 18]),
)


def talk(number: int, rating: int | None = 5, *, older: bool = False) -> dict:
    """A talk of sixteen turns in the original layout."""
    problem = PROBLEMS[number % len(PROBLEMS)]
    dialog = []
    for turn in range(8):
        dialog.append(
            {
                "speaker": "speaker" if older else "seeker",
                "annotation": {"feedback": str(1 + (number + turn) % 5)} if turn == 3 else {},
                "content": SEEKER[turn % 4].format(problem, number) + f" Really, {number}-{turn}.",
            }
        )
        strategy, text = OPENERS[(number + turn) % 8]
        dialog.append(
            {
                "speaker": "listener" if older else "supporter",
                "annotation": {"strategy": "Questions" if older else strategy},
                "content": text.format(problem) + ("" if older else f" This is talk {number}."),
            }
        )
    survey = {"seeker": {"empathy": str(rating)}} if rating else {}
    return {"situation": f"It is about {problem}.", "survey_score": survey, "dialog": dialog}


def write_lines(path: Path, rows) -> None:
    """Write rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def write_mirror(root: Path) -> Path:
    """ESConv, GoEmotions and EmpatheticDialogues, train, validation and test."""
    starts = {"train": 0, "validation": 100, "test": 200}
    sizes = {"train": 24, "validation": 8, "test": 8}
    for split, start in starts.items():
        numbers = range(start, start + sizes[split])
        talks = [talk(n, (None, 5, 4, 3)[n % 4]) for n in numbers]
        write_lines(root / "thu-coai" / "esconv" / f"{split}.jsonl", talks)
        comments = [
            {"text": f"{word} on day {n}.", "labels": labels, "id": f"{split}{n}-{index}"}
            for n in numbers
            for index, (word, labels) in enumerate(COMMENTS)
        ]
        write_lines(root / "google-research-datasets" / "go_emotions" / f"{split}.jsonl", comments)
        _write_dialogues(root / "facebook" / "empathetic_dialogues", split, numbers)
    failed = [talk(n, 1, older=True) for n in range(300, 304)]
    (root / "thu-coai" / "esconv" / "FailedESConv.json").write_text(json.dumps(failed))
    return root


def _write_dialogues(folder: Path, split: str, numbers) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{split}.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("conv_id", "utterance_idx", "context", "prompt", "speaker_idx", "utterance")
        )
        for number in numbers:
            turns = (
                f"Something sad number {number} happened.",
                f"I am so sorry. Was that on day {number}?",
                "Yes it was.",
                f"That must have been {number} long hours.",
            )
            for index, text in enumerate(turns, 1):
                writer.writerow([f"hit:{number}_conv:1", index, "sad", "", index % 2, text])
