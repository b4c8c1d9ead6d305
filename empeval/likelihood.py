"""How likely a model finds texts: asked of any generator that can say so."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from empeval.contained import each
from empeval.errors import EmpevalError, UsageError, some
from empeval.interfaces import Generator
from empeval.records import Continuations, LogLikelihood
from empeval.registry import label_of

__all__ = ["loglikelihood", "probabilities"]


def loglikelihood(
    generator: Generator, requests: Sequence[Continuations]
) -> dict[str, LogLikelihood]:
    """How likely a model's answers would go on with certain texts, by the requests' ids.

    What several requests begin with is computed once where the generator can, so ask many at a
    time.

    Args:
        generator: of ``open_model``.
        requests: with different ids.

    Returns:
        Of each request its values, or a note that says why there are none.

    Raises:
        UsageError: the generator gives no likelihoods, or a request makes no sense.
        EmpevalError: it gave something else than it was asked for.
    """
    found = {one.id: one for one in as_they_come(generator, requests)}
    for request in requests:
        if request.id not in found:
            raise EmpevalError(f"{label_of(generator)} gave no likelihoods for '{request.id}'.")
    return {request.id: found[request.id] for request in requests}


def as_they_come(
    generator: Generator, requests: Sequence[Continuations]
) -> Iterator[LogLikelihood]:
    """Yield what ``loglikelihood`` collects; a generator whose limits are reached ends early.

    Raises:
        UsageError: the generator gives no likelihoods, or a request makes no sense.
        EmpevalError: it gave something else than it was asked for.
    """
    owner = label_of(generator)
    require_likelihood(generator)
    by_id = {request.id: request for request in requests}
    if len(by_id) < len(requests):
        raise UsageError("Two requests for likelihoods have the same id.")
    empty = [r.id for r in requests if not r.messages or not r.texts or not all(r.texts)]
    if empty:
        raise UsageError(f"Nothing to say, or nothing to go on from: {some(empty)}.")
    for given in each(owner, lambda: generator.loglikelihood(requests)):
        name = getattr(given, "id", None)
        if not isinstance(given, LogLikelihood) or name not in by_id:
            raise EmpevalError(f"{owner} gave something else than the likelihoods asked for.")
        count = len(by_id[name].texts)
        if given.note is None and not _sound(given, count):
            raise EmpevalError(
                f"{owner} gave {len(given.values)} likelihoods for the {count} texts of '{name}', "
                "or some that are no logarithms of probabilities."
            )
        yield given


def require_likelihood(generator: Generator) -> None:
    """Refuse a generator that gives no likelihoods.

    Raises:
        UsageError: it does not.
    """
    if not generator.gives_likelihood:
        raise UsageError(
            f"{label_of(generator)} gives no probabilities of tokens, so no likelihoods can be "
            "read. Use a model that does (hf:, packaged:), or have answers generated."
        )


def probabilities(values: Sequence[float], texts: Sequence[str] = ()) -> list[float]:
    """Shares, of sum 1, of texts by their log-likelihoods: each as likely as among these alone.

    Args:
        values: natural logarithms of probabilities, at least one.
        texts: those whose values they are. Where one goes on from another ("10" from "1"), its
            probability is taken from the shorter one's, which then stands for itself alone.
    """
    highest = max(values)
    weights = [math.exp(value - highest) for value in values]
    if texts:
        weights = [_itself(index, weights, texts) for index in range(len(texts))]
    total = sum(weights)
    return [weight / total for weight in weights]


def _itself(index: int, weights: Sequence[float], texts: Sequence[str]) -> float:
    """The weight of a text without that of the texts that go on from it."""
    longer = [i for i, text in enumerate(texts) if _goes_on(text, texts[index])]
    nearest = [i for i in longer if not any(_goes_on(texts[i], texts[j]) for j in longer)]
    return max(weights[index] - sum(weights[i] for i in nearest), 0.0)


def _goes_on(text: str, shorter: str) -> bool:
    return text != shorter and text.startswith(shorter)


def _sound(given: LogLikelihood, count: int) -> bool:
    return len(given.values) == count and all(
        isinstance(value, float) and math.isfinite(value) and value <= 1e-3
        for value in given.values
    )
