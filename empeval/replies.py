"""Which replies a scorer can measure at all, and what to say of the others."""

from __future__ import annotations

from empeval.records import Sample, Score


def unusable(sample: Sample) -> Score | None:
    """The score of a sample that has no reply to measure; ``None`` when it has one.

    A reply cut at the token limit is measured as it is; ``remarks`` notes it.
    """
    response = sample.response
    if response.status in ("missing", "error"):
        return Score(sample.id, status="error", note=response.note or f"answer {response.status}")
    if not response.response.strip():
        return Score(sample.id, status="unparsed", note="empty answer")
    return None


def remarks(sample: Sample) -> list[str]:
    """What a reader should know about a reply that was measured."""
    return ["reply cut at the token limit"] if sample.response.status == "truncated" else []


def other_history(sample: Sample) -> str:
    """What to know of a human reply beside a model's in a dialogue that is the model's own.

    Args:
        sample: an item with the reply to it.

    Returns:
        A remark for a metric that sets the two side by side; ``""`` where both answer the same.
    """
    reference = (sample.item.reference or "").strip()
    if sample.item.turn < 2 or not reference or reference == sample.text.strip():
        return ""
    return (
        "people answered what people had said before, not what the model had: "
        "`empeval compare` with a run of human: leaves each in its own dialogue"
    )
