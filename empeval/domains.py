"""How far the replies of a run lie from those that a scorer was audited on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence

from empeval.certificates import Domain
from empeval.english import looks_english
from empeval.records import Sample

MOST_OUTSIDE = 0.2
"""The largest share of replies or contexts outside the audited lengths that is not remarked on;
inside of the audit it is 2 %, by the definition of its ends."""

MOST_FOREIGN = 0.5
"""The largest share of replies that may not look English; short ones are hard to tell."""


def reply_words(sample: Sample) -> int:
    """Words of the reply, cut at white space."""
    return len(sample.text.split())


def context_words(sample: Sample) -> int:
    """Words of all turns before the reply, cut at white space; a system prompt does not count."""
    turns = (m.content for m in sample.item.messages if m.role != "system")
    return sum(len(turn.split()) for turn in turns)


def departures(
    scorer: str, domain: Domain, samples: Sequence[Sample], scored: Collection[str]
) -> list[str]:
    """Where a run lies outside of what a scorer was audited on, a sentence each.

    Lengths are of the replies that the metrics rest on; the language is asked of every reply,
    because a scorer may refuse those of another.

    Args:
        scorer: what the sentences call it.
        domain: of the audited replies.
        samples: of one task.
        scored: ids of those that the scorer gave a score.
    """
    kinds: tuple[tuple[str, Callable[[Sample], int], tuple[float, float, float]], ...] = (
        ("replies", reply_words, domain.words),
        ("contexts", context_words, domain.context_words),
    )
    found = [
        _length(scorer, name, [of(s) for s in samples if s.id in scored], ends)
        for name, of, ends in kinds
    ]
    found.append(_language(scorer, domain, _answers(samples)))
    return [text for text in found if text is not None]


def _length(
    scorer: str, what: str, lengths: Sequence[int], ends: tuple[float, float, float]
) -> str | None:
    if not lengths:
        return None
    low, _, high = ends
    fewer = sum(n < low for n in lengths) / len(lengths)
    more = sum(n > high for n in lengths) / len(lengths)
    if fewer + more <= MOST_OUTSIDE:
        return None
    parts = [
        f"{_percent(share)} of these have {word}"
        for share, word in ((more, "more"), (fewer, "fewer"))
        if share >= 0.005
    ]
    return (
        f"{scorer} was audited on {what} of {_short(low)} to {_short(high)} words; "
        f"{' and '.join(parts)}"
    )


def _language(scorer: str, domain: Domain, replies: Iterable[str]) -> str | None:
    if domain.language.lower() not in ("en", "english"):
        return None
    odd = [not looks_english(text) for text in replies]
    foreign = sum(odd) / max(1, len(odd))
    if foreign <= MOST_FOREIGN:
        return None
    return f"{scorer} was audited on English; {_percent(foreign)} of these replies do not look it"


def _answers(samples: Sequence[Sample]) -> Iterator[str]:
    for sample in samples:
        if sample.response.status not in ("missing", "error") and sample.text.strip():
            yield sample.text


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _short(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
