"""How likely texts are to a served model: of a prompt's tokens, or of the likeliest ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from empeval.generators.hf.prompts import plain_opening
from empeval.generators.hf.rows import first_of_texts, unfit, with_longer
from empeval.generators.openai.client import Client
from empeval.generators.openai.failures import NoLikelihoodsError, StayingError
from empeval.generators.openai.methods import METHODS, Choice, Method
from empeval.generators.openai.tops import Found, Tops, first_tokens, is_log, read_tops, walked
from empeval.records import Continuations, LogLikelihood, Message, Response

T = TypeVar("T")


class Row(msgspec.Struct, frozen=True):
    """A prompt as a server cut it: tokens (numbers or texts) and their log-probabilities."""

    tokens: tuple[int | str, ...]
    logs: tuple[float | None, ...]


class Asker:
    """Asks one server for likelihoods, within one event loop.

    Args:
        client: of the server.
        choice: by which method; ``auto``: by the first that the server knows.
        top: how many of the likeliest tokens are asked for.

    Attributes:
        method: that the server knows, once it was asked.
        taken: told of each reply what it took and who answered.
    """

    def __init__(
        self, client: Client, choice: Choice, top: int, taken: Callable[[Response], None]
    ) -> None:
        self.client = client
        self.method: Method | None = None if choice == "auto" else choice
        self.taken = taken
        self._top = top
        self._deciding = asyncio.Lock()
        self._none: NoLikelihoodsError | None = None

    async def likelihood(self, request: Continuations) -> LogLikelihood:
        """Of one request; a note where the server lacks what it takes, or did not answer.

        Raises:
            NoLikelihoodsError: it gives no probabilities.
            StayingError: it refuses this request.
            KeyRefusedError, ModelRefusedError, ServerGoneError: nothing can go on.
        """
        bill: list[Response] = []
        try:
            async with self._deciding:
                if self.method is None:
                    self.method = await self._decided(request, bill)
            if self.method in ("echo", "prompt"):
                found = await self._by_rows(request, bill)
            else:
                found = await self._by_tops(request, bill)
        except (_LostError, StayingError) as error:
            if isinstance(error, StayingError) and not bill:
                raise  # whether the server refuses whatever it is asked is for the caller to see
            found = Found(note=str(error))
        return _charged(LogLikelihood(request.id, found.values, found.note, bounded=found.bounded),
                        bill)  # fmt: skip

    async def _decided(self, request: Continuations, bill: list[Response]) -> Method:
        if self._none is not None:
            raise self._none
        said = ""
        for method in METHODS[self.client.asking.api]:
            try:
                if await self._knows(method, request, bill):
                    return method
            except StayingError as error:
                said = f" ({error})"
        server, model = self.client.server.shown, self.client.asking.model
        self._none = NoLikelihoodsError(server, model, said)
        raise self._none

    async def _knows(self, method: Method, request: Continuations, bill: list[Response]) -> bool:
        """Whether a reply has what a method reads."""

        def read(choice: dict[str, Any], data: dict[str, Any]) -> bool:
            if method == "echo":
                return _echoed(choice, data, request.lead) is not None
            if method == "prompt":
                return _prompted(choice, data) is not None
            message = choice.get("message")
            content = message.get("content") if isinstance(message, dict) else None
            lead = request.lead.strip()
            went_on = isinstance(content, str) and bool(lead) and content.strip().startswith(lead)
            return read_tops(choice) is not None and (
                self.client.asking.api != "chat" or method != "top" or went_on
            )

        return await self._send(self._body(method, request, ""), read, request.id, bill)

    async def _by_rows(self, request: Continuations, bill: list[Response]) -> Found:
        """Of the tokens of prompts that end with each text."""

        async def row(text: str) -> Row:
            def read(choice: dict[str, Any], data: dict[str, Any]) -> Row:
                end = request.lead + text
                made = (
                    _prompted(choice, data)
                    if self.method == "prompt"
                    else _echoed(choice, data, end)
                )
                if made is None:
                    raise StayingError("the reply lacks the probabilities of the prompt's tokens")
                return made

            return await self._send(self._body(self.method, request, text), read, request.id, bill)

        before = await row("")
        rows = [await row(text) for text in request.texts]
        tokens = [one.tokens for one in rows]
        start = first_of_texts(before.tokens, tokens)
        if (why := unfit(start, tokens)) is not None:
            return Found(note=why)
        values = []
        for one in rows:
            logs = [log for log in one.logs[start:] if log is not None]
            if len(logs) < len(one.logs) - start:
                return Found(note="the server leaves probabilities of the texts' tokens out")
            values.append(min(sum(logs), 0.0))
        return Found(with_longer(values, request.texts, tokens))

    async def _by_tops(self, request: Continuations, bill: list[Response]) -> Found:
        """Of the likeliest tokens of answers."""

        def read(choice: dict[str, Any], data: dict[str, Any]) -> Tops:
            tops = read_tops(choice)
            if tops is None:
                raise StayingError("the reply lacks the probabilities of the likeliest tokens")
            return tops

        async def ask(said: str) -> Tops:
            body = self._body(self.method, request, said)
            return await self._send(body, read, request.id, bill)

        if self.method == "words":
            bare = [text.strip() for text in request.texts]
            if not all(bare) or len({*bare}) < len(bare):
                return Found(note="without the blanks around them the texts are not different ones")
            return first_tokens(request.texts, await ask(""))
        return await walked(request.texts, ask)

    def _body(self, method: Method | None, request: Continuations, text: str) -> dict[str, Any]:
        """A request for what precedes the texts with the beginning of one behind it."""
        asking = self.client.asking
        if asking.api == "completions":
            prompt = plain_opening(request.messages, request.lead) + text
            counts = {"echo": True, "logprobs": 1} if method == "echo" else {"logprobs": self._top}
            return asking.probe({"prompt": prompt, **counts})
        if method == "words":
            counts = {"logprobs": True, "top_logprobs": self._top}
            return asking.probe({"messages": _sent(in_words(request)), **counts})
        messages, more = list(request.messages), {}
        if request.lead + text:
            messages.append(Message("assistant", request.lead + text))
            more = {"add_generation_prompt": False, "continue_final_message": True}
        if method == "prompt":
            return asking.probe({"messages": _sent(messages), "prompt_logprobs": 0, **more})
        counts = {"logprobs": True, "top_logprobs": self._top}
        return asking.probe({"messages": _sent(messages), **counts, **more})

    async def _send(
        self,
        body: dict[str, Any],
        read: Callable[[dict[str, Any], dict[str, Any]], T],
        name: str,
        bill: list[Response],
    ) -> T:
        async def attempt() -> tuple[T]:
            data = await self.client.post(body)
            counted, choice = self.client.reader.choice(name, data)
            self.client.reader.check_name(counted)
            result = read(choice, data)
            bill.append(counted)
            self.taken(counted)
            return (result,)

        given = await self.client.patiently(name, attempt)
        if isinstance(given, Response):
            raise _LostError(given.note or "no answer")
        return given[0]


class _LostError(Exception):
    """A request that did not succeed, however often it was sent."""


def in_words(request: Continuations) -> list[Message]:
    """The conversation, asking for nothing but what comes behind the beginning of the answer."""
    *rest, last = request.messages
    said = last.content
    if lead := request.lead.strip():
        said += f"\n\nNow give only what stands behind '{lead}' in that answer, and nothing else."
    return [*rest, Message(last.role, said)]


def _sent(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


def _echoed(choice: dict[str, Any], data: dict[str, Any], end: str) -> Row | None:
    """The prompt's tokens in a reply that repeats it, ``None`` where it does not.

    Servers count offsets differently (with or without the token that begins a text), so tokens
    are counted: those behind the prompt are the answer's.

    Args:
        choice: of the reply.
        data: the reply.
        end: what the prompt ends with.
    """
    logprobs = choice.get("logprobs")
    if not isinstance(logprobs, dict):
        return None
    tokens, logs = logprobs.get("tokens"), logprobs.get("token_logprobs")
    if not (isinstance(tokens, list) and isinstance(logs, list) and len(tokens) == len(logs)):
        return None
    usage = data.get("usage")
    written = usage.get("completion_tokens") if isinstance(usage, dict) else None
    count = len(tokens) - (written if isinstance(written, int) else 1)
    if count < 1 or not all(isinstance(token, str) for token in tokens):
        return None
    spelled = "".join(tokens[:count])
    if "\ufffd" not in spelled and not _bare(spelled).endswith(_bare(end)):
        return None
    return Row(tuple(tokens[:count]), tuple(log if is_log(log) else None for log in logs[:count]))


def _bare(text: str) -> str:
    return "".join(text.replace("\u2581", " ").split())


def _prompted(choice: dict[str, Any], data: dict[str, Any]) -> Row | None:
    """The prompt's tokens in vLLM's field of them, ``None`` where there is none."""
    listed = data.get("prompt_logprobs") or choice.get("prompt_logprobs")
    if not isinstance(listed, list) or not listed:
        return None
    tokens: list[int | str] = []
    logs: list[float | None] = []
    for index, one in enumerate(listed):
        if one is None and index == 0:  # nothing precedes the first token
            one = {"": None}
        if not isinstance(one, dict) or len(one) != 1:
            return None
        ((token, held),) = one.items()
        log = held.get("logprob") if isinstance(held, dict) else held
        tokens.append(token)
        logs.append(log if is_log(log) else None)
    return Row(tuple(tokens), tuple(logs))


def _charged(found: LogLikelihood, bill: Sequence[Response]) -> LogLikelihood:
    """With what its requests took; the cost only where each states it."""
    costs = [one.cost for one in bill if one.cost is not None]
    cached = [one.cached_tokens for one in bill if one.cached_tokens is not None]
    charged: LogLikelihood = msgspec.structs.replace(
        found,
        prompt_tokens=sum(one.prompt_tokens or 0 for one in bill),
        completion_tokens=sum(one.completion_tokens or 0 for one in bill),
        cached_tokens=sum(cached) if cached else None,
        cost=sum(costs) if costs and len(costs) == len(bill) else None,
        model=next((one.model for one in bill if one.model), None),
    )
    return charged
