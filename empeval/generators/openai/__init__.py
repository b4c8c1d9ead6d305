"""``openai:MODEL`` answers with a model behind a URL: any OpenAI-compatible server."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from empeval.cards import ModelCard
from empeval.errors import UsageError, nearest
from empeval.generators.openai.methods import METHODS, Choice, Method
from empeval.generators.openai.questions import Api, Asking
from empeval.generators.openai.replies import Price, Reader, is_version
from empeval.generators.openai.server import Server
from empeval.interfaces import Generator, Preview
from empeval.notices import warn
from empeval.pairs import json_object
from empeval.records import Continuations, Item, LogLikelihood, Response, Sampling

if TYPE_CHECKING:
    from empeval.generators.openai.client import Client
    from empeval.generators.openai.throttle import Throttle

T = TypeVar("T")
R = TypeVar("R")

ALIKE = 3
"""Refused questions after which, with none answered, the server is taken to refuse all."""
AROUND = 16
"""Tokens that a chat template may put around a message, at most."""
LOST = 8
"""Questions in a row that got no connection after all tries: the server is gone."""


class OpenAI(Generator):
    """A model behind an OpenAI-compatible server: vLLM, llama.cpp, Ollama, TGI, or a hosted one.

    The key comes from the environment and is in no file, log or error.

    Args:
        target: the model as the server calls it.
        base_url: such as ``http://localhost:8000/v1``; else ``OPENAI_BASE_URL``, else OpenAI's.
        api_key_env: the environment variable that holds the key.
        api: ``chat``, or ``completions`` with the plain format for base models.
        concurrency: the most requests at once; fewer after the server asked to slow down.
        timeout: seconds for one answer.
        retries: of a request that failed in a way that passes.
        backoff: seconds before the first retry, doubled before each that follows, with jitter.
        price_in, price_out: US dollars for a million tokens of prompts and answers.
        price_cached: for tokens of prompts that were in the server's cache (as ``price_in``).
        served_model: the only name by which the server may call what answers.
        extra: JSON object of further fields of the request.
        omit: fields that are not sent (``temperature seed``), for servers that refuse them.
        likelihood: how likelihoods are read. ``echo``: of the tokens of a completion's prompt;
            ``prompt``: of a chat's, by vLLM's field ``prompt_logprobs``; ``top``: of the likeliest
            tokens behind the answer's beginning; ``words``: of the likeliest first tokens of an
            answer that is asked for in words; ``auto``: by the first that the server knows.
        top_logprobs: how many of the likeliest tokens are asked for.

    Raises:
        UsageError: an option makes no sense.
    """

    summary = "a model behind a URL: any OpenAI-compatible server"
    operational = (
        "base_url",  # in the card's details, without a password
        "api_key_env",
        "concurrency",
        "timeout",
        "retries",
        "backoff",
        "price_in",
        "price_out",
        "price_cached",
    )
    charges = True
    gives_likelihood = True
    takes_more = True

    def __init__(
        self,
        target: str,
        *,
        base_url: str | None = None,
        api_key_env: str = "OPENAI_API_KEY",
        api: Api = "chat",
        concurrency: int = 8,
        timeout: float = 600.0,
        retries: int = 8,
        backoff: float = 0.5,
        price_in: float | None = None,
        price_out: float | None = None,
        price_cached: float | None = None,
        served_model: str | None = None,
        extra: str = "",
        omit: str = "",
        likelihood: Choice = "auto",
        top_logprobs: int = 20,
    ) -> None:
        if not target:
            raise UsageError("'openai:' needs a model's name: openai:gpt-4o-mini")
        _at_least("concurrency", concurrency, 1)
        _at_least("retries", retries, 0)
        _at_least("top_logprobs", top_logprobs, 1)
        if likelihood != "auto" and likelihood not in METHODS[api]:
            raise UsageError(
                f"likelihood={likelihood} does not go with api={api}, which knows "
                f"{', '.join(METHODS[api])}."
            )
        for name, value in (("timeout", timeout), ("backoff", backoff)):
            if not 0 < value < float("inf"):
                raise UsageError(f"{name} is {value:g}; it must be above 0 seconds.")
        from empeval.generators.openai.client import Patience

        self._target = target
        self._server = Server(base_url, api_key_env)
        self._asking = Asking(
            target, api, json_object(extra, "extra", '{"top_k": 1}'), omit.replace(",", " ").split()
        )
        self._reader = Reader(target, served_model, _price(price_in, price_out, price_cached))
        self._concurrency = concurrency
        self._patience = Patience(timeout=timeout, retries=retries, backoff=backoff)
        self._likelihood: Choice = likelihood
        self._top = top_logprobs
        self._method: Method | None = None
        self._bounded = 0
        self._served: Counter[str] = Counter()
        self._retried: Counter[str] = Counter()
        self._requests = 0
        self._busiest = 0
        self._throttle: Throttle | None = None
        self._answered = False
        self._refused: list[str] = []
        self._lost = 0

    @property
    def card(self) -> ModelCard:
        """The model's name at this address: what weights answer, only the server knows."""
        return ModelCard(
            name=self._target,
            fingerprint=f"served:{self._target}",
            details={"base_url": self._server.shown, "api": self._asking.api},
        )

    def prepare(self, questions: Mapping[str, Sequence[Item]]) -> list[str]:
        """Look for the key; the server itself is asked with the first question.

        Raises:
            UsageError: OpenAI's own server, and no key.
        """
        if self._server.key() is None and self._server.hosted:
            raise UsageError(
                f"{self._server.shown} answers nobody without a key, and the environment variable "
                f"{self._server.key_name} is not set. Set it, or name another with --model-args "
                "api_key_env=NAME; for a server of your own give base_url=http://..."
            )
        if self._server.exposes_key:
            return [f"The key goes to {self._server.shown} as plain text; https would hide it."]
        return []

    def generate(self, items: Sequence[Item], sampling: Sampling) -> Iterator[Response]:
        """Yield answers as they come.

        The first question goes alone until it was answered; then there are up to ``concurrency``.

        Raises:
            EmpevalError: a wrong key, an unknown model, no server, nothing left to pay with.
        """
        if not items:
            return
        from empeval.generators.openai.crew import Crew

        spending = self.spending
        self._answered |= spending is not None and spending.answers > 0
        crew = Crew(
            items if isinstance(items, deque) else deque(items),
            self._concurrency,
            lambda: self._open(lambda client: self._answerer(client, sampling)),
            lambda item, alone: self._may_ask(item, sampling, alone),
            lambda response: spending.release(response.id) if spending is not None else None,
        )
        for response in crew.results():
            if response.status != "error" and response.model is not None:
                self._served[response.model] += 1
            yield response

    def loglikelihood(self, requests: Sequence[Continuations]) -> Iterator[LogLikelihood]:
        """Yield likelihoods as they come; a request of n texts may take n + 1 of the server's.

        What a request may take of ``spending`` is kept aside until the caller, who counts it,
        releases the request's id.

        Raises:
            NoLikelihoodsError: the server gives no probabilities of tokens.
            EmpevalError: a wrong key, an unknown model, no server.
        """
        if not requests:
            return
        from empeval.generators.openai.crew import Crew

        spending = self.spending
        self._answered |= spending is not None and spending.answers > 0
        crew: Crew[Continuations, LogLikelihood] = Crew(
            deque(requests),
            self._concurrency,
            lambda: self._open(self._reading),
            self._may_read,
            lambda found: None,
        )
        for found in crew.results():
            if found.model is not None:
                self._served[found.model] += 1
            self._bounded += len(found.bounded)
            yield found

    def _may_read(self, request: Continuations, alone: bool) -> bool:
        """Whether the run's limits allow a request for likelihoods now."""
        if self.spending is None:
            return True
        prompt = sum(len(m.content.encode()) + AROUND for m in request.messages) + AROUND
        longest = max(len(text.encode()) for text in request.texts) + len(request.lead.encode())
        times = len(request.texts) + 1 + len(METHODS[self._asking.api])
        tokens = times * (prompt + longest)
        cost = self._reader.most(tokens, times)
        return self.spending.reserve(request.id, tokens + times, cost, alone=alone)

    def _may_ask(self, item: Item, sampling: Sampling, alone: bool) -> bool:
        """Whether the run's limits allow a question now.

        A text has no more tokens than bytes, apart from a few around each message.
        """
        if self.spending is None:
            return True
        prompt = sum(len(m.content.encode()) + AROUND for m in item.messages) + AROUND
        cost = self._reader.most(prompt, sampling.max_tokens)
        return self.spending.reserve(item.id, prompt + sampling.max_tokens, cost, alone=alone)

    def preview(self, item: Item, sampling: Sampling) -> Preview:
        """The messages, or the prompt; only the server counts tokens."""
        return Preview(self._asking.text(item))

    def runtime(self) -> dict[str, Any]:
        """What answered, how many requests it took, and how many were under way at once."""
        return {
            "server": self._server.shown,
            "served_models": dict(self._served),
            "requests": self._requests,
            "retried": dict(self._retried),
            "most_at_once": self._busiest,
            **({"likelihood": self._method} if self._method else {}),
            **({"likelihoods_bounded": self._bounded} if self._bounded else {}),
        }

    def _open(
        self, work: Callable[[Client], Callable[[T], Awaitable[R]]]
    ) -> tuple[Callable[[T], Awaitable[R]], Callable[[], Coroutine[Any, Any, None]]]:
        """Open a client; called within the event loop that it belongs to."""
        from empeval.generators.openai.client import Client
        from empeval.generators.openai.throttle import Throttle

        self._throttle = Throttle(self._concurrency, self._throttle)
        client = Client(self._server, self._asking, self._reader, self._throttle, self._patience)

        async def close() -> None:
            self._requests += client.requests
            self._retried += client.retried
            self._busiest = max(self._busiest, client.throttle.busiest)
            await client.close()

        return work(client), close

    def _answerer(
        self, client: Client, sampling: Sampling
    ) -> Callable[[Item], Awaitable[Response]]:
        async def answer(item: Item) -> Response:
            response = await self._told(client, item.id, lambda: client.answer(item, sampling))
            self._notice(response)
            return response

        return answer

    def _reading(self, client: Client) -> Callable[[Continuations], Awaitable[LogLikelihood]]:
        from empeval.generators.openai.likelihood import Asker

        asker = Asker(client, self._method or self._likelihood, self._top, self._notice)

        async def read(request: Continuations) -> LogLikelihood:
            found = await self._told(client, request.id, lambda: asker.likelihood(request))
            self._method = asker.method
            if isinstance(found, LogLikelihood):
                return found
            return LogLikelihood(request.id, note=found.note)

        return read

    async def _told(
        self, client: Client, name: str, work: Callable[[], Awaitable[R]]
    ) -> R | Response:
        """What work gives; what cannot go on is said for a person.

        Args:
            client: that works.
            name: of what is asked.
            work: asks.

        Returns:
            Or, where the server refuses this question alone, a response that says so.

        Raises:
            EmpevalError: nothing can go on.
        """
        from empeval.generators.openai.failures import (
            KeyRefusedError,
            ModelRefusedError,
            ServerGoneError,
            StayingError,
        )

        where = self._server.shown
        try:
            return await work()
        except StayingError as error:
            return self._refusal(name, error)
        except KeyRefusedError as error:
            key = "the key in" if self._server.key() else "no key; set"
            raise error.reworded(
                f"{where} refuses {key} {self._server.key_name} ({error})."
            ) from None
        except ModelRefusedError as error:
            known = await client.models()
            hint = nearest(self._target, known[:50]) if known else ""
            raise error.reworded(
                f"{where} has no model '{self._target}' ({error}). Check the model's name and "
                f"base_url, which most often ends in /v1.{hint}"
            ) from None
        except ServerGoneError as error:
            gone = "answers no more" if self._answered else "does not answer"
            check = "" if self._answered else " Is a server running there, and is base_url right?"
            raise error.reworded(
                f"{where} {gone}: {error}.{check} What was answered is saved; the same command "
                "goes on."
            ) from None

    def _refusal(self, name: str, error: Any) -> Response:
        """A refused question's status, unless the server refuses whatever it is asked.

        Raises:
            UsageError: it does.
        """
        if error.filtered:
            note = f"the server's content filter refuses the question ({error})"
            return Response(name, "", "empty", stop="content_filter", note=note)
        self._refused.append(str(error))
        if not self._answered and self._refused[:ALIKE] == [str(error)] * ALIKE:
            raise UsageError(
                f"{self._server.shown} refuses every question ({error}). If it does not take a "
                "field, leave that out: --model-args omit=seed"
            )
        return Response(name, "", "error", note=str(error))

    def _notice(self, response: Response) -> None:
        """Count what came back.

        Raises:
            ServerGoneError: one question after another was lost on the way.
        """
        if response.status == "error":
            self._lost = self._lost + 1 if response.stop == "connection" else 0
            if self._lost >= LOST:
                from empeval.generators.openai.failures import ServerGoneError

                raise ServerGoneError(
                    f"{self._server.shown} cannot be reached any more: {response.note}. What was "
                    "answered is saved; the same command goes on."
                )
            return
        self._lost = 0
        name = response.model
        if not self._answered and name and not is_version(name, self._target):
            warn(f"the server calls the model that answers '{name}', not '{self._target}'")
        self._answered = True


def _at_least(name: str, value: int, least: int) -> None:
    if value < least:
        raise UsageError(f"{name} is {value}; it must be {least} or more.")


def _price(prompt: float | None, completion: float | None, cached: float | None) -> Price | None:
    for name, value in (("price_in", prompt), ("price_out", completion), ("price_cached", cached)):
        if value is not None and not 0 <= value < float("inf"):
            raise UsageError(f"{name} is {value:g}; it must be 0 or more US dollars.")
    if prompt is None and completion is None and cached is None:
        return None
    if prompt is None or completion is None:
        raise UsageError("Give both price_in and price_out: US dollars for a million tokens.")
    return Price(prompt, prompt if cached is None else cached, completion)
