"""A real model behind a server that fails: the same metrics, whatever is asked at once.

A packaged model answers all questions beforehand, in batches; they are handed out by a loopback
server that takes a while for each (``--seconds``), as a model would, and answers none before as
many are there as there can be. Then the task is asked through
``openai:``: without faults, with 30 % of the requests failing in twelve ways at several numbers of
requests at once, with a wrong key, and with a limit of the cost that stops the run half-way and a
higher one that ends it. A server without faults and with 200 short questions shows how many are
under way and how long it takes. Last, the keys are searched for in every file that was written. The
exit code says whether all of it was as it should be.

    python benchmarks/served_faults.py
    python benchmarks/served_faults.py --task eqbench-mini --max-tokens 256 --concurrency 1,16
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import os

from support.model_server import KEY, MODEL, ModelServer
from tabulate import tabulate

import empeval
from empeval import EmpevalError, Item, Message, Sampling
from empeval.asked import AskedTask
from empeval.generators.packaged import Packaged
from empeval.runs import Run

WRONG_KEY = "sk-wrong-0123456789abcdef"
PRICES = {"price_in": "1", "price_out": "2"}


class Questions(empeval.Task):
    """Short questions, to count how many are under way.

    Args:
        count: how many.
    """

    card = empeval.TaskCard(
        version="1", summary="Questions.", provides=("reply",), scorers=("surface",), license="none"
    )

    def __init__(self, *, count: int = 200) -> None:
        self.count = count

    def items(self) -> Iterator[Item]:
        """Each of its own cluster."""
        for number in map(str, range(self.count)):
            yield Item(number, (Message("user", f"What of thing {number}?"),), number)


class Behind:
    """A packaged model as what answers behind a server: each question once, beforehand."""

    def __init__(self, name: str) -> None:
        self._generator = Packaged(name.removeprefix("packaged:"), dtype="float32")
        self._known: dict[str, dict[str, Any]] = {}

    def __call__(self, question: str, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to a request."""
        return self._known[repr([(m["role"], m["content"]) for m in request["messages"]])]

    def learn(self, items: Sequence[Item], sampling: Sampling) -> None:
        """Have the model answer items."""
        by_id = {item.id: item for item in items}
        planned = [item for group in self._generator.plan(items, sampling) for item in group]
        for response in self._generator.generate(planned, sampling):
            messages = [(m.role, m.content) for m in by_id[response.id].messages]
            self._known[repr(messages)] = {
                "text": response.response,
                "finish_reason": "length" if response.stop == "length" else "stop",
                "prompt_tokens": response.prompt_tokens,
                "completion_tokens": response.completion_tokens,
            }
        self._generator.close()


def main() -> int:
    """Do all of it and print a row each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--model", default="packaged:smollm2-135m-instruct", help="a packaged model")
    add("--task", default="ed-mini")
    add("--limit", type=int, help="items (default: all)")
    add("--max-tokens", type=int, default=16, help="of an answer (%(default)s)")
    add("--concurrency", default="1,8,64", help="requests at once, a run each (%(default)s)")
    add("--seconds", type=float, default=0.5, help="the server takes for each (%(default)s)")
    add("--share", type=float, default=0.3, help="of requests that fail (%(default)s)")
    options = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = KEY
    behind = Behind(options.model)
    with tempfile.TemporaryDirectory() as temporary:
        shows = Shows(Path(temporary), behind, options)
        shows.whole()
        several = [int(most) for most in options.concurrency.split(",")]
        for most in several:
            shows.faulty(most, options.share)
        for most in several:
            shows.at_once(most)
        shows.wrong_key()
        shows.limited()
        shows.search()
    print(tabulate(shows.rows, headers="keys"))
    return 0 if all(row["as it should"] == "yes" for row in shows.rows) else 1


class Shows:
    """What is shown, a row each."""

    def __init__(self, folder: Path, behind: Behind, options: argparse.Namespace) -> None:
        self.folder = folder
        self.behind = behind
        self.task: str = options.task
        self.limit: int | None = options.limit
        self.sampling = {"max_tokens": options.max_tokens}
        self.seconds: float = options.seconds
        self.rows: list[dict[str, Any]] = []

    def serve(self, **faults: Any) -> ModelServer:
        """A server with the model behind it."""
        server = ModelServer(self.behind, **faults)
        server.delay, server.key = self.seconds, KEY
        return server

    def ask(self, server: ModelServer, name: str, arguments: dict[str, str], **more: Any) -> Run:
        """One run."""
        given = {"base_url": server.url, "backoff": "0.02", "retries": "12", **arguments}
        return empeval.run(
            f"openai:{MODEL}", [self.task], ["surface"], model_args=given, limit=self.limit,
            sampling=self.sampling, out=self.folder / name, **more,
        )  # fmt: skip

    def row(self, show: str, seconds: float, right: bool, said: str) -> None:
        """Note one show."""
        self.rows.append(
            {"show": show, "seconds": f"{seconds:.1f}", "as it should": "yes" if right else "NO",
             "what": said}
        )  # fmt: skip

    def whole(self) -> None:
        """The run that the others are held against."""
        started = time.perf_counter()
        spec = empeval.RunSpec(sampling=self.sampling, limit=self.limit)
        asked = AskedTask(self.task, {}, spec)
        self.behind.learn(asked.shown, asked.entry.sampling)
        said = f"{len(asked.shown)} questions, each asked of the model once"
        self.row("answers", time.perf_counter() - started, True, said)
        server = self.serve()
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
        server = self.serve(share=share, seed=most)
        reached = min(most, len(self.answers("whole")) - 1)  # the first goes alone
        server.crowd = reached
        started = time.perf_counter()
        self.ask(server, f"faulty-{most}", {"concurrency": str(most)})
        seconds = time.perf_counter() - started
        server.close()
        n = len(server.requests)
        said = f"{server.faulted.total()} of {n} requests failed, {server.most_at_once} at once"
        right = self.same(f"faulty-{most}") and reached <= server.most_at_once <= most
        self.row(f"{share:.0%} faults, concurrency {most}", seconds, right, said)

    def at_once(self, most: int) -> None:
        """Ask many short questions of a server that only takes its time."""
        moments: list[float] = []

        def answer(question: str, request: dict[str, Any]) -> dict[str, Any]:
            moments.append(time.perf_counter())
            return {"text": f"Of {question}"}

        server = ModelServer(answer)
        server.delay, server.crowd = self.seconds, most
        given = {"base_url": server.url, "concurrency": str(most)}
        run = empeval.run(
            f"openai:{MODEL}", [Questions()], ["surface"], model_args=given,
            out=self.folder / f"at-once-{most}",
        )  # fmt: skip
        server.close()
        n = len(server.requests)
        seconds = moments[-1] - moments[0] + self.seconds  # from the first to the last
        mean = n * self.seconds / seconds
        said = f"{n} requests, {server.most_at_once} at once, {mean:.1f} on average"
        right = run.complete and server.most_at_once == most
        self.row(f"{n} of {self.seconds:g} s, concurrency {most}", seconds, right, said)

    def wrong_key(self) -> None:
        """Ask with a key that the server refuses."""
        server = self.serve()
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
        server = self.serve()
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
