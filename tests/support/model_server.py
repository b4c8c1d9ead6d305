"""An OpenAI-compatible server on the loopback interface that can be told to misbehave.

What answers is a function of the conversation, so a real model can stand behind it.
"""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

KEY = "sk-loopback-0123456789abcdef"
MODEL = "small-model"
PASSING = (
    "429", "429 wait", "500", "503", "drop", "cut", "half", "null", "no choice", "other model",
    "html", "gateway error",
)  # fmt: skip
"""Faults of one request; the next one for the same item may go well."""

Answer = Callable[[str, dict[str, Any]], dict[str, Any]]
"""(what was asked last, the request) -> ``text``, and optionally ``prompt_tokens``,
``completion_tokens``, ``finish_reason``, ``reasoning``, ``cached``; ``choice`` and ``reply`` are
further fields of these. An ``error`` is sent with status 400 in their place."""


def echo(question: str, request: dict[str, Any]) -> dict[str, Any]:
    """An answer that can be told from the question."""
    words = question.split()
    return {"text": f"You said {words[-1] if words else 'nothing'}.", "prompt_tokens": len(words)}


class ModelServer:
    """The server; ``url`` is the ``base_url`` to give.

    Args:
        answer: what answers.
        share: of requests that fail, each by one of ``faults``, drawn by ``seed``.

    Attributes:
        key: that must come along, ``None``: any. models: that are known.
        plan: (question, how often it was asked before) -> a fault, or ``None``.
        requests: bodies so far. headers: of each. most_at_once: requests under way together.
        delay: seconds before each answer. room: requests at once above which it answers 429.
        crowd: requests that must have been under way together before any is answered but the
            first, which may go alone; after 20 seconds they are answered all the same.
        answered: whether one was.
    """

    def __init__(
        self,
        answer: Answer = echo,
        *,
        share: float = 0.0,
        faults: tuple[str, ...] = PASSING,
        seed: int = 0,
    ) -> None:
        self.answer = answer
        self.key: str | None = None
        self.models = [MODEL]
        self.served_as: str | None = None
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.faulted: Counter[str] = Counter()
        self.delay = 0.0
        self.room = 1000
        self.crowd = 1
        self.answered = False
        self.wait = "0.01"
        self.most_at_once = 0
        self.gone = False
        self._at_once = 0
        self._lock = threading.Lock()
        self._came = threading.Condition(self._lock)
        self._asked: Counter[str] = Counter()
        draws = random.Random(seed)

        def plan(question: str, before: int) -> str | None:
            return draws.choice(faults) if draws.random() < share else None

        self.plan: Callable[[str, int], str | None] = plan
        self.server = _Server(("127.0.0.1", 0), _Handler)
        self.server.model = self
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        """Answer nobody any more, over open connections neither."""
        self.gone = True
        self.server.shutdown()
        self.server.server_close()

    def enter(self) -> bool:
        """Count a request that begins; whether there is room for it."""
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
            self._came.notify_all()
            return self._at_once <= self.room

    def gather(self) -> None:
        """Wait for the crowd, if there is to be one."""
        with self._lock:
            if self.answered:
                self._came.wait_for(lambda: self.most_at_once >= self.crowd, timeout=20)

    def leave(self) -> None:
        with self._lock:
            self._at_once -= 1

    def fault(self, question: str) -> str | None:
        with self._lock:
            fault = self.plan(question, self._asked[question])
            self._asked[question] += 1
            if fault:
                self.faulted[fault] += 1
            return fault


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    model: ModelServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no concern of the tests' output."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        known = [{"id": name, "object": "model"} for name in self.server.model.models]
        self._send(200, {"object": "list", "data": known})

    def do_POST(self) -> None:
        """Any endpoint below ``/v1``: the request's fields tell chat from completions."""
        model = self.server.model
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if model.gone:
            self.close_connection = True
            return
        model.requests.append(request)
        model.headers.append({name.lower(): value for name, value in self.headers.items()})
        try:
            if model.enter():
                self._post(request)
            else:
                self._send(429, _error("too many at once"), {"Retry-After": model.wait})
        finally:
            model.leave()

    def _post(self, request: dict[str, Any]) -> None:
        model = self.server.model
        sent = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if model.key is not None and sent != model.key:
            self._send(401, _error(f"Incorrect API key provided: {sent}", code="invalid_api_key"))
            return
        if request["model"] not in model.models:
            said = f"The model `{request['model']}` does not exist."
            self._send(404, _error(said, code="model_not_found"))
            return
        chat = "messages" in request
        question = request["messages"][-1]["content"] if chat else request["prompt"]
        fault = model.fault(question)
        time.sleep(model.delay)
        model.gather()
        if fault is None or fault in _SPOILING:
            self._reply(request, question, fault)
        else:
            self._fail(fault)

    def _fail(self, fault: str) -> None:
        if fault == "drop":
            self.close_connection = True
        elif fault == "html":
            self._send_bytes(502, b"<html><h1>Bad gateway</h1></html>", {})
        elif fault == "gateway error":
            self._send(200, {"error": {"message": "upstream is busy", "code": 502}})
        elif fault == "429 wait":
            self._send(429, _error("slow down"), {"Retry-After": self.server.model.wait})
        elif fault == "slow":
            time.sleep(5)
            self.close_connection = True
        else:
            self._send(int(fault[:3]), _error(fault[4:] or "it happens"))

    def _reply(self, request: dict[str, Any], question: str, fault: str | None) -> None:
        made = self.server.model.answer(question, request)
        if "error" in made:
            self._send(400, _error(made["error"]))
            return
        text: str | None = made["text"]
        message: dict[str, Any] = {"role": "assistant", "content": text}
        finish = made.get("finish_reason", "stop")
        if "reasoning" in made:
            message["reasoning_content"] = made["reasoning"]
        if fault == "null":
            message["content"] = None
        if fault == "filter":
            message["content"], finish = None, "content_filter"
        choice = {"index": 0, "finish_reason": finish, **made.get("choice", {})}
        choice |= {"message": message} if "messages" in request else {"text": message["content"]}
        usage = {
            "prompt_tokens": made.get("prompt_tokens", 10),
            "completion_tokens": made.get("completion_tokens", 5),
        }
        if "cached" in made:
            usage["prompt_tokens_details"] = {"cached_tokens": made["cached"]}
        name = self.server.model.served_as or request["model"]
        data = {
            "id": "1",
            "model": "another-model" if fault == "other model" else name,
            "choices": [] if fault == "no choice" else [choice],
            "usage": usage,
            **made.get("reply", {}),
        }
        body = json.dumps(data).encode()
        if fault == "half":
            body = body[: len(body) // 2]
        self.server.model.answered |= fault is None
        self._send_bytes(200, body, {}, cut=fault == "cut")

    def _send(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        self._send_bytes(status, json.dumps(data).encode(), headers or {})

    def _send_bytes(
        self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.close_connection |= cut

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


_SPOILING = ("null", "filter", "no choice", "other model", "half", "cut")
"""Faults of a reply that is otherwise made."""


def _error(message: str, code: str | None = None) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "code": code}}
