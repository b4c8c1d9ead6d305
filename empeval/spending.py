"""What a run's answers took, and whether there is something left of what they may take."""

from __future__ import annotations

from threading import Lock

from empeval.errors import EmpevalError, counted
from empeval.records import Response, ResponseLine, Usage

Taken = Response | ResponseLine
"""What is counted of an answer lies in either."""


class LimitReachedError(EmpevalError):
    """A run has taken what it may; with a higher limit it goes on.

    Args:
        said: the message.
        option: the limit: ``"--max-cost"`` or ``"--max-tokens-total"``.
        limit: its value, US dollars or tokens.
        spent: what was taken of it.
        hint: what to do.
    """

    code = "limit-reached"
    objects = ("option", "limit", "spent")

    def __init__(
        self, said: str, *, option: str, limit: float | None, spent: float, hint: str = ""
    ) -> None:
        self.option = option
        self.limit = limit
        self.spent = spent
        super().__init__(said, hint=hint)


class Spending:
    """Counts the answers of a run, its judges' among them, against its limits.

    A question that goes out beside others has the most that it can take kept aside until its answer
    was counted, so that a limit is passed by one answer at most, however many are asked at once.

    Args:
        max_cost: US dollars. max_tokens: of prompts and answers together. ``None``: no limit.
        before: what was taken by answers that are no longer there.

    Attributes:
        usage: what all answers together took. answers: those that came about.
    """

    def __init__(
        self,
        max_cost: float | None = None,
        max_tokens: int | None = None,
        before: Usage | None = None,
    ) -> None:
        self.max_cost = max_cost
        self.max_tokens = max_tokens
        self.usage = before or Usage()
        self.answers = 0
        self._dearest = 0.0
        self._longest = 0
        self._held: dict[str, tuple[int, float]] = {}
        self._lock = Lock()

    @property
    def tokens(self) -> int:
        """Of prompts and answers together."""
        return self.usage.prompt_tokens + self.usage.completion_tokens

    def add(self, answer: Taken) -> None:
        """Count an answer."""
        self.usage = plus(self.usage, answer)
        self._dearest = max(self._dearest, answer.cost or 0.0)
        self._longest = max(self._longest, _tokens(answer))
        self.answers += answer.status not in ("error", "missing")

    def check(self, answer: Taken, *, charges: bool = True) -> None:
        """Make sure that a limit can be kept.

        Args:
            answer: that came.
            charges: whether it may have cost money.

        Raises:
            EmpevalError: there is a limit, and nothing says how much of it the answer took.
        """
        if answer.status in ("error", "missing"):
            return
        if self.max_cost is not None and charges and answer.cost is None:
            raise EmpevalError(
                "--max-cost is given, but the server does not say what an answer costs. Give the "
                "price of a million tokens in US dollars: --model-args price_in=...,price_out=..."
            )
        if self.max_tokens is not None and answer.completion_tokens is None:
            raise EmpevalError(
                "--max-tokens-total is given, but the tokens of this model's answers are not "
                "counted. Leave it out."
            )

    def allows(self) -> bool:
        """Whether something is left, so that one question may be asked."""
        return (self.max_cost is None or self.usage.cost < self.max_cost) and (
            self.max_tokens is None or self.tokens < self.max_tokens
        )

    def reserve(self, key: str, tokens: int, cost: float | None, *, alone: bool) -> bool:
        """Whether a question may be asked now; what it may take is then kept aside.

        One that goes alone needs only that something is left. A server may count more than is
        thought possible, so one goes alone until something was answered, and none is taken for
        smaller than the largest so far. May be called from another thread than ``add``.

        Args:
            key: of the question, for ``release``.
            tokens: the most that question and answer can have.
            cost: the most that they can cost; ``None``: nobody knows.
            alone: whether no other is under way.
        """
        with self._lock:
            if not self.allows():
                return False
            if not alone and not self._fits(tokens, cost):
                return False
            self._held[key] = tokens, cost or 0.0
            return True

    def _fits(self, tokens: int, cost: float | None) -> bool:
        """Whether a question fits into what is left beside those that are under way."""
        if self.max_cost is None and self.max_tokens is None:
            return True
        if not self.answers:
            return False  # whether what is thought of is enough, the first answer shows
        every = [*self._held.values(), (tokens, cost or 0.0)]
        longest = sum(max(most, self._longest) for most, _ in every)
        dearest = sum(max(most, self._dearest) for _, most in every)
        if self.max_tokens is not None and self.tokens + longest > self.max_tokens:
            return False
        return self.max_cost is None or (
            cost is not None and self.usage.cost + dearest <= self.max_cost
        )

    def release(self, key: str) -> None:
        """Give back what was kept aside for a question, once its answer was counted."""
        with self._lock:
            self._held.pop(key, None)

    def require(self, unanswered: str) -> None:
        """Stop the run where nothing is left.

        Args:
            unanswered: what is still to be asked, such as ``"51 of 171 items of small-talk"``.

        Raises:
            LimitReachedError: saying how to go on.
        """
        if self.allows():
            return
        dear = self.max_cost is not None and self.usage.cost >= self.max_cost
        option = "--max-cost" if dear else "--max-tokens-total"
        limit = f"{self.max_cost:g} USD" if dear else f"{self.max_tokens}"
        raise LimitReachedError(
            f"Stopped at {option} {limit}: {self.said()} are spent and {unanswered} are not "
            "answered yet.",
            option=option,
            limit=self.max_cost if dear else self.max_tokens,
            spent=self.usage.cost if dear else self.tokens,
            hint=f"What was answered is saved; the same command with a higher {option} goes on.",
        )

    def said(self) -> str:
        """Tokens and, where there is one, the cost: ``"82,321 tokens, 0.0137 USD"``."""
        cost = f", {self.usage.cost:.4f} USD" if self.usage.cost else ""
        return f"{counted(self.tokens, 'token', spec=',')}{cost}"


def plus(usage: Usage, answer: Taken) -> Usage:
    """The usage with that of one more answer; what is not known counts 0."""
    return Usage(
        prompt_tokens=usage.prompt_tokens + (answer.prompt_tokens or 0),
        cached_tokens=usage.cached_tokens + (answer.cached_tokens or 0),
        completion_tokens=usage.completion_tokens + (answer.completion_tokens or 0),
        cost=usage.cost + (answer.cost or 0.0),
    )


def _tokens(answer: Taken) -> int:
    return (answer.prompt_tokens or 0) + (answer.completion_tokens or 0)
