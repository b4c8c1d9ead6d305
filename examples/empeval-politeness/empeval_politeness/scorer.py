"""The scorer ``politeness``."""

import re
from collections.abc import Sequence

from empeval import Sample, Score, Scorer, ScorerCard, ValueCard

_POLITE = re.compile(r"\b(?:please|thank you|thanks|sorry|welcome)\b", re.IGNORECASE)


class Politeness(Scorer):
    """Counts please, thank you, thanks, sorry and welcome."""

    card = ScorerCard(
        version="1",
        summary="How many polite words a reply has. It counts words, not manners.",
        values=(
            ValueCard(
                name="polite_words",
                unit="words",
                summary="Occurrences of please, thank you, thanks, sorry and welcome.",
                low=0,
            ),
        ),
        needs=("reply",),
    )

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Count; an empty reply has nothing to count in."""
        return [
            Score(sample.id, values={"polite_words": float(len(_POLITE.findall(sample.text)))})
            if sample.text.strip()
            else Score(sample.id, "unparsed", note="empty answer")
            for sample in samples
        ]
