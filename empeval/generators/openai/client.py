"""Asks a server one item after another, as often as it takes."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from empeval.extras import require
from empeval.generators.openai.failures import (
    KeyRefusedError,
    ModelRefusedError,
    PassingError,
    ServerGoneError,
    StayingError,
    raise_for,
    shortly,
)
from empeval.generators.openai.questions import ENDPOINTS, Asking
from empeval.generators.openai.replies import Reader
from empeval.generators.openai.server import Server
from empeval.generators.openai.throttle import Throttle
from empeval.records import Item, Response, Sampling
from empeval.redacting import HIDDEN, SHORTEST

if TYPE_CHECKING:
    import ssl

    import httpx2

T = TypeVar("T")

LARGEST_REPLY = 16 * 2**20
"""Bytes; no answer is that long."""
LONGEST_PAUSE = 30.0
"""Seconds between two tries of one item, unless the server asks for more."""
FIRST_TRIES = 3
"""Of reaching a server that has not answered yet: most often it does not run at all."""
MOST_SLOWINGS = 50
"""Times that one item may be told to wait; these are no failures."""


class Patience(msgspec.Struct, frozen=True):
    """How long and how often a request is tried.

    Attributes:
        timeout: seconds for a whole reply. retries: after the first try.
        backoff: seconds before the first retry, twice as many before each that follows.
    """

    timeout: float
    retries: int
    backoff: float


class Client:
    """One server's client, within one event loop.

    Args:
        server: where and by which key. asking: writes requests. reader: reads replies.
        throttle: how many at once. patience: how often.

    Attributes:
        retried: what went wrong and was tried again, by kind.
        requests: sent so far. answered: whether the server has answered one.
    """

    def __init__(
        self, server: Server, asking: Asking, reader: Reader, throttle: Throttle, patience: Patience
    ) -> None:
        self.server = server
        self.asking = asking
        self.reader = reader
        self.throttle = throttle
        self.patience = patience
        self.retried: Counter[str] = Counter()
        self.requests = 0
        self.answered = throttle.opened
        self._key = server.key()
        self._http = open_http(server, self._key, throttle.most, patience.timeout)

    async def close(self) -> None:
        """Give the connections back."""
        await self._http.aclose()

    async def answer(self, item: Item, sampling: Sampling) -> Response:
        """The response to an item, if need be one that says why there is none.

        Raises:
            StayingError: the server refuses this item.
            KeyRefusedError, ModelRefusedError, ServerGoneError: nothing can go on.
        """
        return await self.patiently(item.id, lambda: self._try(item, sampling))

    async def patiently(self, name: str, attempt: Callable[[], Awaitable[T]]) -> T | Response:
        """What an attempt gives, made as often as it takes.

        Args:
            name: of what is asked.
            attempt: sends one request and reads the reply.

        Returns:
            Or, where all tries were in vain, a response that says why.

        Raises:
            StayingError: the server refuses this request.
            KeyRefusedError, ModelRefusedError, ServerGoneError: nothing can go on.
        """
        failures: Counter[str] = Counter()
        slowings = 0
        while True:
            entered = await self.throttle.enter()
            try:
                given = await attempt()
            except StayingError as error:
                if error.field == "max_completion_tokens" and not self.asking.long_name:
                    self.asking.long_name = True
                    continue
                raise
            except (KeyRefusedError, ModelRefusedError, ServerGoneError):
                self.throttle.shut()
                raise
            except PassingError as error:
                self.retried[error.kind] += 1
                if error.slow:
                    slowings += 1
                    self.throttle.slow_down(entered, error.wait or 0.0)
                told = error.slow and error.wait is not None  # the throttle waits for all
                failures[error.kind] += not told
                if self._hopeless(error, failures) or slowings > MOST_SLOWINGS:
                    return self._given_up(name, error, failures.total() + slowings)
                pause = 0.0 if told else max(self._pause(failures.total()), error.wait or 0.0)
            else:
                self.answered = True
                self.throttle.answered()
                return given
            finally:
                self.throttle.leave()
            await asyncio.sleep(pause)

    async def models(self) -> list[str]:
        """The names of the server's models, as far as it tells; never raises."""
        try:
            async with asyncio.timeout(5):
                _, _, body = await self._send("GET", "models", None)
            data = msgspec.json.decode(body)
            return sorted(shortly(str(entry["id"]), 80) for entry in data["data"])
        except Exception:  # only an error message hangs on it
            return []

    async def _try(self, item: Item, sampling: Sampling) -> Response:
        started = time.perf_counter()
        data = await self.post(self.asking.body(item, sampling))
        response = self.reader.response(
            item.id,
            data,
            stops=self.asking.stops(item, sampling),
            raw=self.asking.raw(item),
            most_tokens=sampling.max_tokens,
        )
        kept: Response = msgspec.structs.replace(response, seconds=time.perf_counter() - started)
        return kept

    async def post(self, body: dict[str, Any]) -> Any:
        """The JSON of the reply to one request.

        Raises:
            PassingError, StayingError, KeyRefusedError, ModelRefusedError, ServerGoneError: there
                is none, or it was sent with another HTTP status than 200.
        """
        status, headers, text = await self._send("POST", ENDPOINTS[self.asking.api], body)
        try:
            data = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            data = None
        if status != 200:
            raise_for(status, headers, data, text.decode("utf-8", "replace"))
        if data is None:
            reason = f"the reply is no whole JSON ({len(text)} bytes)"
            raise PassingError("broken JSON", reason)
        return data

    async def _send(
        self, method: str, endpoint: str, body: dict[str, Any] | None
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of a reply, in which the key is hidden.

        Raises:
            PassingError: none came, or not the whole of it.
        """
        import httpx2

        self.requests += 1
        limit = self.patience.timeout
        try:
            content = None if body is None else msgspec.json.encode(body)
        except UnicodeEncodeError as error:
            raise StayingError("the question holds half a character") from error
        try:
            async with (
                asyncio.timeout(limit),
                self._http.stream(method, self.server.address(endpoint), content=content) as reply,
            ):
                text = b""
                async for piece in reply.aiter_bytes():
                    text += piece
                    if len(text) > LARGEST_REPLY:
                        raise PassingError("endless reply", "the reply has no end", most=1)
        except (TimeoutError, httpx2.TimeoutException) as error:
            reached = not isinstance(error, httpx2.ConnectTimeout)
            reason = f"no answer within {limit:g} seconds" if reached else "it cannot be reached"
            raise PassingError("timeout", reason, most=2, reached=reached) from error
        except httpx2.ConnectError as error:
            reason = f"it cannot be reached: {shortly(str(error)) or 'no connection'}"
            raise PassingError("no connection", reason, reached=False) from error
        except httpx2.TransportError as error:
            reason = f"the connection broke: {shortly(str(error)) or type(error).__name__}"
            raise PassingError("broken connection", reason) from error
        except httpx2.HTTPError as error:  # a body that its encoding does not fit
            raise PassingError(
                "broken reply", f"the reply is broken: {shortly(str(error))}"
            ) from error
        if self._key and len(self._key) >= SHORTEST:
            text = text.replace(self._key.encode(), HIDDEN.encode())
        return reply.status_code, dict(reply.headers), text

    def _hopeless(self, error: PassingError, failures: Counter[str]) -> bool:
        """Whether an item has been tried often enough.

        Raises:
            ServerGoneError: nobody is there, and nobody has been.
        """
        if not error.reached and not self.answered and self.retried[error.kind] >= FIRST_TRIES:
            raise ServerGoneError(str(error)) from error
        few = error.most is not None and failures[error.kind] > error.most
        return few or failures.total() > self.patience.retries

    def _given_up(self, name: str, error: PassingError, tries: int) -> Response:
        if error.left is not None:
            return error.left
        note = f"{error} (tried {tries} time{'s' if tries > 1 else ''})"
        lost = None if error.reached else "connection"
        return Response(name, "", "error", stop=lost, note=note)

    def _pause(self, failures: int) -> float:
        longest = min(LONGEST_PAUSE, self.patience.backoff * 2.0 ** (failures - 1))
        return random.uniform(0.5, 1.0) * longest  # noqa: S311 - spreads requests, hides nothing


@cache
def _authorities() -> ssl.SSLContext:
    """What a client makes for itself, read once: a client is opened for each call of the model."""
    import httpx2

    return httpx2.create_ssl_context()


def open_http(server: Server, key: str | None, most: int, timeout: float) -> httpx2.AsyncClient:
    """An HTTP client with the key in its headers.

    Raises:
        MissingPackageError: httpx2 is not installed.
    """
    require("'openai:'", "httpx2")
    import httpx2

    from empeval.__about__ import __version__

    headers = {"user-agent": f"empeval/{__version__}", "content-type": "application/json"}
    if key is not None:
        headers["authorization"] = f"Bearer {key}"
    return httpx2.AsyncClient(
        headers=headers,
        verify=_authorities(),
        timeout=httpx2.Timeout(timeout, connect=min(10.0, timeout), pool=None),
        limits=httpx2.Limits(max_connections=most, max_keepalive_connections=most),
        trust_env=not server.here,  # no proxy lies before this machine
        follow_redirects=False,  # the key goes to no other address
    )
