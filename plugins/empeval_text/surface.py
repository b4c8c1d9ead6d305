"""Surface statistics: length, questions, pronouns, diversity, repetition."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from sys import intern

from empeval import (
    Metric,
    Sample,
    Score,
    Scored,
    Scorer,
    ScorerCard,
    ValueCard,
    cluster_mean,
    cluster_share,
    mean_metric,
)
from empeval.toolkit import remarks, unusable
from empeval_text.words import sentences, words

SECOND_PERSON = frozenset(["you", "your", "yours", "yourself", "yourselves"])
FIRST_PERSON = frozenset(
    ["i", "me", "my", "mine", "myself", "we", "us", "our", "ours", "ourselves"],
)

_PER_100 = "per 100 words"


class Surface(Scorer):
    """Counts what can be counted in a reply; judges nothing."""

    card = ScorerCard(
        version="1",
        summary=(
            "Length, questions and pronouns of the replies (pronoun lists are English only), and "
            "over the run: distinct_1 and distinct_2 (Li et al. 2016), which fall as the text "
            "gets longer, so compare runs of like length; identical, the share of replies that "
            "another item got as well. Replies cut at the token limit are counted as they are."
        ),
        values=(
            ValueCard(name="words", unit="words", summary="Words of the reply.", low=0),
            ValueCard(name="sentences", unit="sentences", summary="Sentences.", low=0),
            ValueCard(
                name="questions",
                unit="questions",
                summary="Sentences that end with a question mark.",
                low=0,
            ),
            ValueCard(
                name="second_person",
                unit=_PER_100,
                summary="you, your, yours, yourself, yourselves; also in contractions (you're).",
                low=0,
                high=100,
            ),
            ValueCard(
                name="first_person",
                unit=_PER_100,
                summary="I, me, my, mine, myself, we, us, our, ours, ourselves; also I'm, we've.",
                low=0,
                high=100,
            ),
        ),
        needs=("reply",),
        citation=(
            "Li, Galley, Brockett, Gao, Dolan (2016): A Diversity-Promoting Objective Function "
            "for Neural Conversation Models. NAACL-HLT."
        ),
    )

    def score(self, samples: Sequence[Sample]) -> list[Score]:
        """Count each reply; one without a word has counts of 0 and no rates."""
        return [_score(sample) for sample in samples]

    def metrics(self, scored: Sequence[Scored]) -> list[Metric]:
        """Means of the values, then the metrics of the run as a whole."""
        means = [mean_metric(value, scored) for value in self.card.values]
        tokens: list[list[str]] = []
        clusters: list[str] = []
        texts: list[bytes] = []
        for one in scored:  # once, and of each reply only what is counted
            if one.score.status == "ok":
                tokens.append([intern(word.casefold()) for word in words(one.sample.text)])
                clusters.append(one.sample.item.cluster)
                texts.append(_digest(one.sample.text))
        failed = len(scored) - len(tokens)
        return [
            *means,
            _distinct(1, tokens, clusters, failed),
            _distinct(2, tokens, clusters, failed),
            _identical(texts, clusters, failed),
        ]


def _score(sample: Sample) -> Score:
    if failure := unusable(sample):
        return failure
    found = [_stem(word) for word in words(sample.text)]
    count, questions = sentences(sample.text)
    values = {"words": float(len(found)), "sentences": float(count), "questions": float(questions)}
    notes = remarks(sample)
    if found:
        values["second_person"] = _rate(found, SECOND_PERSON)
        values["first_person"] = _rate(found, FIRST_PERSON)
    else:
        notes.append("no words, so no rates")
    return Score(sample.id, values=values, note="; ".join(notes) or None)


def _stem(word: str) -> str:
    """``You're`` -> ``you``."""
    return word.casefold().replace("’", "'").partition("'")[0]


def _rate(found: Sequence[str], wanted: frozenset[str]) -> float:
    return 100 * sum(word in wanted for word in found) / len(found)


def _distinct(
    n: int, replies: Sequence[Sequence[str]], clusters: Sequence[str], failed: int
) -> Metric:
    """Different n-grams over all n-grams of the run (Li et al. 2016); none spans two replies."""
    value, low, high = distinct(
        (list(zip(*(reply[i:] for i in range(n)), strict=False)) for reply in replies), clusters
    )
    return Metric(
        task="",
        scorer="",
        metric=f"distinct_{n}",
        value=value,
        ci_low=low,
        ci_high=high,
        n=len(replies),
        n_failed=failed,
        unit="ratio",
        higher_is_better=None,
        n_clusters=len(set(clusters)),
        note="falls with the length of the run: compare runs of the same items",
    )


def distinct(
    grams: Iterable[Sequence[tuple[str, ...]]], clusters: Sequence[str]
) -> tuple[float | None, float | None, float | None]:
    """Type-token ratio of n-grams with its delete-one-cluster jackknife interval.

    Without cluster c there are D - u_c different n-grams among T - t_c, u_c being those that
    occur in c alone: one pass gives every leave-one-out value. The jackknife variance of such a
    statistic errs on the wide side (Efron and Stein 1981); the interval is Student's t with one
    degree of freedom fewer than there are clusters, kept inside [0, 1]. It speaks of runs of
    this size.

    Args:
        grams: the n-grams of each reply.
        clusters: the cluster of each reply.

    Returns:
        (ratio in (0, 1], low, high); all ``None`` without n-grams, low and high ``None`` when
        fewer than two clusters have any.
    """
    only: dict[tuple[str, ...], str | None] = {}
    totals: dict[str, int] = {}
    for found, cluster in zip(grams, clusters, strict=True):
        totals[cluster] = totals.get(cluster, 0) + len(found)
        for gram in found:
            if only.setdefault(gram, cluster) != cluster:
                only[gram] = None
    types, tokens = len(only), sum(totals.values())
    if not tokens:
        return None, None, None
    ratio = types / tokens
    totals = {cluster: count for cluster, count in totals.items() if count}
    groups = len(totals)
    if groups < 2:
        return ratio, None, None
    alone = dict.fromkeys(totals, 0)
    for owner in only.values():
        if owner is not None:
            alone[owner] += 1
    pseudo = [
        groups * ratio - (groups - 1) * (types - alone[c]) / (tokens - totals[c]) for c in totals
    ]
    _, low, high = cluster_mean(pseudo, list(totals))
    if low is None or high is None:
        return ratio, None, None
    half = (high - low) / 2
    return ratio, max(0.0, ratio - half), min(1.0, ratio + half)


def _digest(text: str) -> bytes:
    """What replies have in common that differ in nothing but case and spaces."""
    return hashlib.sha256(" ".join(text.casefold().split()).encode()).digest()


def _identical(texts: Sequence[bytes], clusters: Sequence[str], failed: int) -> Metric:
    counts = Counter(texts)
    share, low, high = None, None, None
    if texts:
        share, low, high = cluster_share([counts[text] > 1 for text in texts], clusters)
    return Metric(
        task="",
        scorer="",
        metric="identical",
        value=share,
        ci_low=low,
        ci_high=high,
        n=len(texts),
        n_failed=failed,
        unit="percent",
        higher_is_better=None,
        n_clusters=len(set(clusters)),
    )
