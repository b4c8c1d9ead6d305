"""Files for tests of other processes: models and scorers that note where they are, or die."""

from __future__ import annotations

import json
from pathlib import Path

SCORERS = '''
import os, signal
from pathlib import Path
import empeval

def note():
    Path("seen").mkdir(exist_ok=True)
    (Path("seen") / str(os.getpid())).touch()

@empeval.scorer
def length(sample):
    note()
    return float(len(sample.text))

@empeval.scorer
def mortal(sample):
    """Kills its process at one text, the first time."""
    if sample.text == "Oh 300" and not Path("died").exists():
        Path("died").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return float(len(sample.text))

@empeval.scorer
def raises(sample):
    if sample.text == "Oh 300":
        raise ValueError("not this one")
    return 1.0
'''

MODELS = '''
import os, signal, time
from pathlib import Path
import empeval

class Voice(empeval.Generator):
    """Answers with the question's number, slowly enough that several are at work."""

    def __init__(self, target="", *, tone="mild"):
        self.tone = tone

    @property
    def card(self):
        return empeval.ModelCard(name="voice", fingerprint=f"voice {self.tone}")

    def plan(self, items, sampling):
        return [list(items[at : at + 3]) for at in range(0, len(items), 3)]

    def dies(self, item):
        return False

    def generate(self, items, sampling):
        Path("seen").mkdir(exist_ok=True)
        for item in items:
            (Path("seen") / str(os.getpid())).touch()
            if self.dies(item):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.02)
            yield empeval.Response(item.id, f"{self.tone} {item.messages[-1].content}")

    def runtime(self):
        return {"tone": self.tone}

class Mortal(Voice):
    """Kills its process in the middle of a group, once."""

    def dies(self, item):
        if item.id != "8" or Path("died").exists():
            return False
        Path("died").touch()
        return True

class Doomed(Voice):
    """Kills its process at one item as long as a file lies there."""

    def dies(self, item):
        return item.id == "8" and Path("doom").exists()

class Other(Voice):
    """Is another model in each process."""

    @property
    def card(self):
        return empeval.ModelCard(name="other", fingerprint=f"other {os.getpid()}")

class Paid(Voice):
    """Costs a dollar an answer."""

    charges = True

    def plan(self, items, sampling):
        return [[item] for item in items]

    def generate(self, items, sampling):
        for item in items:
            yield empeval.Response(item.id, "so", prompt_tokens=1, completion_tokens=1, cost=1.0)
'''


def write_files(folder: Path) -> None:
    """Write ``scorers.py`` and ``models.py``."""
    (folder / "scorers.py").write_text(SCORERS, encoding="utf-8")
    (folder / "models.py").write_text(MODELS, encoding="utf-8")


def write_dialogues(path: Path, count: int) -> Path:
    """Write a file of so many dialogues; the answer to the first is ``Oh 0``, and so on."""
    rows = ({"context": [f"It rained on day {n}."], "response": f"Oh {n}"} for n in range(count))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def pids(folder: Path) -> set[int]:
    """The processes that have noted that they were at work in a folder."""
    return {int(path.name) for path in (folder / "seen").glob("*")}


def scored(folder: Path) -> dict[str, bytes]:
    """What scoring left: every file of scores, and the metrics."""
    files = [*sorted((folder / "scores").rglob("*.jsonl")), folder / "metrics.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def answered(folder: Path) -> dict[str, dict]:
    """The answers of a run by id, without the seconds that they took."""
    lines = [
        json.loads(line)
        for path in sorted((folder / "responses").glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len({line["id"] for line in lines}) == len(lines), "an answer is there twice"
    return {line["id"]: {k: v for k, v in line.items() if k != "seconds"} for line in lines}
