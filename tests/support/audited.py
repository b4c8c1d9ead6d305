"""A distribution of tiny scorers, some with a certificate in their package."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support.distributions import make_distribution

SOURCE = '''
from pathlib import Path

from empeval import Score, Scorer, ScorerCard, ValueCard

def values(direction):
    return (
        ValueCard(name="warmth", unit="count", summary="times sorry", higher_is_better=direction),
        ValueCard(name="length", unit="words", summary="words"),
    )

class Warm(Scorer):
    card = ScorerCard(version="1", summary="Counts sorry.", values=values(True), needs=("reply",))
    def __init__(self, target=None):
        self.target = target
    def score(self, samples):
        return [
            Score(s.id, status="unparsed", note="no word") if not s.text.split() else
            Score(s.id, values={"warmth": s.text.count("sorry"), "length": len(s.text.split())})
            for s in samples
        ]
    def fingerprint(self):
        weights = Path(self.target or "weights.txt")
        return "sha256:" + (weights.read_text() if weights.exists() else "ours")

class Unknown(Warm):
    """Nobody audited it."""

class Newer(Warm):
    card = ScorerCard(version="2", summary="Counts.", values=values(True), needs=("reply",))

class Plain(Warm):
    card = ScorerCard(version="1", summary="Describes.", values=values(None), needs=("reply",))
'''
SCORERS = {"warm": "Warm", "unknown": "Unknown", "newer": "Newer", "plain": "Plain"}


def certificate(**changes: Any) -> dict[str, Any]:
    """A certificate as JSON holds it: of ``warm``, on 1,200 replies of 2 to 8 words."""
    estimate = {"value": 0.31, "interval": {"low": 0.25, "high": 0.37}, "n": 1200, "clusters": 400}
    made = {
        "scorer": "warm",
        "version": "1",
        "fingerprint": "sha256:ours",
        "distribution": "tiny-judges 1.0",
        "agreements": [
            {
                "rated_set": "made-up", "dimension": "kindness", "value": "warmth",
                "part": "test", "low": 1, "high": 3, "spearman": estimate,
            }
        ],
        "trials": [],
        "milliseconds_alone": None,
        "replies_per_second": None,
        "peak_memory_mb": None,
        "domain": {"words": [2, 5, 8], "context_words": [1, 20, 400], "language": "en"},
        "made": "2026-11-01T00:00:00+00:00",
        "empeval": "0",
        "primary": "warmth",
    }  # fmt: skip
    return made | changes


def tiny_judges(folder: Path, certificates: Mapping[str, Mapping[str, Any] | str]) -> Path:
    """Write the distribution: scorer's name -> its certificate, as JSON or as any text."""
    package = folder / "tiny_judges"
    (package / "certificates").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    points = {name: f"tiny_judges.scorers:{cls}" for name, cls in SCORERS.items()}
    for name, made in certificates.items():
        text = made if isinstance(made, str) else json.dumps(made)
        (package / "certificates" / f"{name}.json").write_text(text, encoding="utf-8")
    modules = {"tiny_judges/scorers": SOURCE}
    return make_distribution(
        folder, "tiny-judges", points={"empeval.scorers": points}, modules=modules
    )
