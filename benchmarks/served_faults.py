"""A real model behind a server that fails: the same metrics, whatever is asked at once.

A packaged model answers behind a loopback server (each question once; greedy answers are kept, so
what takes time is the first run alone: ``--limit`` and ``--max-tokens`` size it). Then the task is
asked through ``openai:``: without faults, with 30 % of the requests failing in twelve ways at
several numbers of requests at once, with a wrong key, and with a limit of the cost that stops the
run half-way and a higher one that ends it. Last, the keys are searched for in every file
that was written. The exit code says whether all of it was as it should be.

    python benchmarks/served_faults.py --limit 8 --max-tokens 40
    python benchmarks/served_faults.py --limit 28 --max-tokens 256 --concurrency 1,2,4,8,16,32,64
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import os

from support.model_server import KEY, MODEL, ModelServer
from tabulate import tabulate

import empeval
from empeval import EmpevalError, Item, Message, Sampling
from empeval.generators.packaged import Packaged
from empeval.runs import Run

WRONG_KEY = "sk-wrong-0123456789abcdef"
PRICES = {"price_in": "1", "price_out": "2"}


class Behind:
    """A packaged model as what answers behind a server: one question at a time, each once."""

    def __init__(self, name: str) -> None:
        self._generator = Packaged(name.removeprefix("packaged:"), dtype="float32")
        self._known: dict[str, dict[str, Any]] = {}
        self._lock = threading.Lock()

    def __call__(self, question: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        key = repr((request["messages"], request["max_tokens"], request.get("stop")))
        with self._lock:
            if key not in self._known:
                self._known[key] = self._ask(request)
            return self._known[key]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        messages = tuple(Message(m["role"], m["content"]) for m in request["messages"])
        sampling = Sampling(max_tokens=request["max_tokens"], stop=tuple(request.get("stop", ())))
        (response,) = self._generator.generate([Item("1", messages, "1")], sampling)
        return {
            "text": response.response,
            "finish_reason": "length" if response.stop == "length" else "stop",
            "prompt_tokens": response.prompt_tokens,
            "completion_tokens": response.completion_tokens,
        }


def main() -> int:
    """Do all of it and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model", default="packaged:smollm2-135m-instruct", help="a packaged model")
    add("--task", default="eqbench-mini")
    add("--limit", type=int, default=8, help="items (%(default)s)")
    add("--max-tokens", type=int, default=40, help="of an answer (%(default)s)")
    add("--concurrency", default="1,8,64", help="requests at once, a run each (%(default)s)")
    add("--share", type=float, default=0.3, help="of requests that fail (%(default)s)")
    options = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = KEY
    behind = Behind(options.model)
    with tempfile.TemporaryDirectory() as temporary:
        shows = Shows(Path(temporary), behind, options.task, options.limit, options.max_tokens)
        shows.whole()
        for most in map(int, options.concurrency.split(",")):
            shows.faulty(most, options.share)
        shows.wrong_key()
        shows.limited()
        shows.search()
    print(tabulate(shows.rows, headers="keys"))
    return 0 if all(row["as it should"] == "yes" for row in shows.rows) else 1


class Shows:
    """What is shown, a row each."""

    def __init__(
        self, folder: Path, behind: Behind, task: str, limit: int, max_tokens: int
    ) -> None:
        self.folder = folder
        self.behind = behind
        self.task = task
        self.limit = limit
        self.max_tokens = max_tokens
        self.rows: list[dict[str, Any]] = []

    def ask(self, server: ModelServer, name: str, arguments: dict[str, str], **more: Any) -> Run:
        """One run."""
        server.key = KEY
        given = {"base_url": server.url, "backoff": "0.02", "retries": "12", **arguments}
        return empeval.run(
            f"openai:{MODEL}", [self.task], model_args=given, limit=self.limit,
            sampling={"max_tokens": self.max_tokens}, out=self.folder / name, **more,
        )  # fmt: skip

    def row(self, show: str, seconds: float, right: bool, said: str) -> None:
        """Note one show."""
        self.rows.append(
            {"show": show, "seconds": f"{seconds:.1f}", "as it should": "yes" if right else "NO",
             "what": said}
        )  # fmt: skip

    def whole(self) -> None:
        """The run that the others are held against."""
        server = ModelServer(self.behind)
        started = time.perf_counter()
        self.expected = self.ask(server, "whole", {"concurrency": "4"})
        seconds = time.perf_counter() - started
        server.close()
        metrics = {m.metric: m.value for m in self.expected.metrics()}
        name, value = next(iter(metrics.items()))
        self.row("no faults", seconds, True, f"{name} {value}; {len(self.answers('whole'))} items")

    def answers(self, name: str) -> dict[str, tuple[Any, ...]]:
        """What was answered, by id."""
        lines = Run(self.folder / name).responses(self.task)
        return {line.id: (line.response, line.status, line.stop) for line in lines}

    def same(self, name: str) -> bool:
        """Whether answers and metrics are those of the run without faults."""
        metrics = Run(self.folder / name).metrics()
        return metrics == self.expected.metrics() and self.answers(name) == self.answers("whole")

    def faulty(self, most: int, share: float) -> None:
        """Ask while a share of the requests fails."""
        server = ModelServer(self.behind, share=share, seed=most)
        started = time.perf_counter()
        self.ask(server, f"faulty-{most}", {"concurrency": str(most)})
        seconds = time.perf_counter() - started
        server.close()
        n = len(server.requests)
        said = f"{server.faulted.total()} of {n} requests failed, {server.most_at_once} at once"
        right = self.same(f"faulty-{most}") and server.most_at_once <= most
        self.row(f"{share:.0%} faults, concurrency {most}", seconds, right, said)

    def wrong_key(self) -> None:
        """Ask with a key that the server refuses."""
        server = ModelServer(self.behind)
        os.environ["OPENAI_API_KEY"] = WRONG_KEY
        started = time.perf_counter()
        try:
            self.ask(server, "wrong", {"concurrency": "64"})
            said = "it ran"
        except EmpevalError as error:
            said = str(error)
        seconds = time.perf_counter() - started
        os.environ["OPENAI_API_KEY"] = KEY
        right = "refuses the key" in said and WRONG_KEY not in said and len(server.requests) == 1
        server.close()
        self.row("wrong key, concurrency 64", seconds, right, f"{len(server.requests)} request")

    def limited(self) -> None:
        """Stop at half of the cost, then go on."""
        server = ModelServer(self.behind)
        arguments = {"concurrency": "16", **PRICES}
        costs = [
            (line.prompt_tokens * 1 + line.completion_tokens * 2) / 1e6
            for line in self.expected.responses(self.task)
        ]
        limit = sum(costs) / 2
        started = time.perf_counter()
        try:
            self.ask(server, "limited", arguments, max_cost=limit)
            self.row("cost stop", 0, False, "it ran to its end")
        except EmpevalError as error:
            spent = sum(line.cost for line in Run(self.folder / "limited").responses(self.task))
            right = "Stopped at --max-cost" in str(error) and limit <= spent <= limit + max(costs)
            said = f"limit {limit:.6f}, spent {spent:.6f} USD; {len(server.requests)} asked"
            self.row("cost stop", time.perf_counter() - started, right, said)
        before = len(server.requests)
        started = time.perf_counter()
        self.ask(server, "limited", arguments, max_cost=10 * limit)
        right = self.same("limited") and len(server.requests) == len(costs)
        said = f"{len(server.requests) - before} more asked, none twice"
        self.row("gone on with a higher limit", time.perf_counter() - started, right, said)
        server.close()

    def search(self) -> None:
        """Look for the keys in everything that was written."""
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        found = [
            path for path in files for key in (KEY, WRONG_KEY) if key.encode() in path.read_bytes()
        ]
        self.row("keys searched for", 0, not found, f"{len(files)} files, found in {len(found)}")


if __name__ == "__main__":
    sys.exit(main())
