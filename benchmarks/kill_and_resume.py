"""Kill every verb that writes at random moments, go on, and compare with one left in peace.

Each round takes one verb (run, score, compare, gate, report, export, prune), starts it in a fresh
folder, kills it with SIGKILL at a random moment, looks at what lies there, and gives the same
command again until it gets through. Half of the moments are drawn over the length of the verb,
half lie just after it began to write. At the end every answer and score must be there once and as
the undisturbed command gave it, and metrics, documents and tables must be the same bytes.

    python benchmarks/kill_and_resume.py --kills 1000 --work kills --minutes 9
    python benchmarks/kill_and_resume.py --kills 200 --verbs run,score --fresh 1 -- \\
        --model packaged:smollm2-135m-instruct --tasks ed-mini --limit 6 --max-tokens 24

Most rounds fork a process that has everything imported already, so that a kill hits the verb and
not the start of Python; what is killed is a process of its own all the same. Every so many rounds
(``--fresh``) the verb is started as a user starts it. The rounds that are done are noted in
``--work``: the same command goes on after the last of them, also when it was killed itself.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from forked import Process, Start, fork, warm_up

from empeval.runs import Journal, read_journal

ASKED = ("--model", "human:", "--tasks", "ed-mini", "--scorers", "surface")
POLICY = '[[headline]]\nmetric = "{}"\nmargin = 1.0\n'
KEPT_RUNS, ALL_RUNS = 1, 4
START = 1.0
"""Seconds that a fresh Python may take before a verb begins."""
COUNTED = ("lost", "doubled", "different", "left over")

Tree = dict[str, tuple[int, int]]


@dataclass
class Verb:
    """A verb under test.

    Attributes:
        words: what follows ``empeval``.
        prepare: makes the folder that it is started in.
        seconds: it took undisturbed.
        output: what it printed; compared for verbs that only print.
        code: its exit code.
        expected: a file's name -> its bytes after the undisturbed command.
    """

    words: list[str]
    prepare: Callable[[Path], None]
    prints: bool = False
    seconds: float = 0.0
    output: str = ""
    code: int = 0
    expected: dict[str, bytes] = field(default_factory=dict)


class Round(msgspec.Struct, frozen=True):
    """A round that is done: which, when the verb was killed, and what was not as it should be."""

    number: int
    verb: str
    state: str
    fresh: bool
    counts: dict[str, int] = {}


class Facts(msgspec.Struct, frozen=True):
    """What an undisturbed verb did, beside the files that it left."""

    seconds: float
    output: str
    code: int


def files_of(folder: Path) -> dict[str, bytes]:
    """Files that a reader sees, and their bytes."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(p.startswith(".") for p in path.relative_to(folder).parts)
    }


def tree(folder: Path) -> Tree:
    """Every file's time and size: what changes when something is written."""
    found: Tree = {}
    for inside, _, names in os.walk(folder):
        for name in names:
            try:
                facts = os.stat(os.path.join(inside, name))
            except FileNotFoundError:
                continue
            found[os.path.join(inside, name)] = (facts.st_mtime_ns, facts.st_size)
    return found


def differences(verb: Verb, folder: Path, output: str | None) -> Counter[str]:
    """What a folder has lost, doubled or otherwise than the undisturbed one."""
    counts: Counter[str] = Counter()
    found = files_of(folder)
    for name in sorted(set(found) | set(verb.expected)):
        before, now = verb.expected.get(name), found.get(name)
        if name.endswith(("run.json", "new/gate.json")):
            counts["different"] += (before is None) != (now is None) or not facts_alike(before, now)
        elif name.endswith(".jsonl") and before is not None and now is not None:
            old, new = lines_of(before), lines_of(now)
            ids = Counter(line["id"] for line in new)
            by_id = {line["id"]: line for line in new}
            counts["doubled"] += sum(count - 1 for count in ids.values())
            for line in old:
                if line["id"] not in by_id:
                    counts["lost"] += 1
                elif told(by_id[line["id"]]) != told(line):
                    counts["different"] += 1
            counts["different"] += len(set(ids) - {line["id"] for line in old})
        elif now is None:
            counts["lost"] += 1
        elif before != now:
            counts["different"] += 1
    counts["different"] += verb.prints and output != verb.output
    counts["left over"] += sum(
        path.name.endswith((".part", ".removed")) for path in folder.rglob(".*")
    )
    return counts


def lines_of(data: bytes) -> list[dict]:
    return [json.loads(line) for line in data.splitlines()]


def told(line: dict) -> dict:
    """A line without how long it took."""
    return {key: value for key, value in line.items() if key != "seconds"}


def facts_alike(before: bytes | None, now: bytes | None) -> bool:
    """Whether two manifests or notes say the same but for times."""
    timed = ("created", "finished", "timing", "environment", "when", "command")
    one, other = (
        {k: v for k, v in json.loads(data or b"{}").items() if k not in timed}
        for data in (before, now)
    )
    return one == other


def torn(folder: Path) -> list[str]:
    """Files that a killed process left as no reader should find them."""
    bad = []
    for name, data in files_of(folder).items():
        try:
            if name.endswith(".jsonl"):
                lines_of(data[: data.rfind(b"\n") + 1])
            elif name.endswith(".json"):
                json.loads(data)
            elif name.endswith(".html") and b"</html>" not in data:
                bad.append(name)
        except ValueError:
            bad.append(name)
    return bad


def fresh(words: Sequence[str], folder: Path, output: Path | None = None) -> Process:
    """Start a verb as a user does."""
    command = [sys.executable, "-m", "empeval", *words]
    with open(output or os.devnull, "wb") as out:
        return subprocess.Popen(command, cwd=folder, stdout=out, stderr=subprocess.DEVNULL)


def killed(verb: Verb, folder: Path, dice: random.Random, start: Start) -> str:
    """Start a verb and kill it; ``""`` when it had ended, else whether it had written."""
    before = tree(folder)
    process = start(verb.words, folder, None)
    started = time.monotonic()
    length = verb.seconds if start is fork else verb.seconds + START
    if verb.prints or dice.random() < 0.5:
        moment = started + dice.uniform(0, length)
        while time.monotonic() < moment and process.poll() is None:
            time.sleep(0.001)
    else:
        while process.poll() is None and tree(folder) == before:
            time.sleep(0.0005)
        time.sleep(abs(dice.gauss(0, 0.05 * length)))
    process.kill()
    if process.wait() >= 0:
        return ""
    return "writing" if tree(folder) != before else "before it wrote"


def through(verb: Verb, folder: Path, start: Start) -> tuple[int, str]:
    """Let a verb run to its end: its exit code and what it printed."""
    output = folder.with_suffix(".out")
    code = start(verb.words, folder, output).wait()
    printed = output.read_text()
    output.unlink()
    return code, printed


def verbs(asked: list[str], work: Path) -> dict[str, Verb]:
    """The verbs, each with the folder that it begins in."""
    whole = work / "whole"
    if not whole.is_dir():
        made = work / "making"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        for name in ("base", "new"):  # no run is its own baseline, nor is a copy
            if fresh(["run", *asked, "--out", name], made).wait():
                sys.exit("The run that all begins with failed: empeval run " + " ".join(asked))
        made.rename(whole)
    metrics = json.loads((whole / "new" / "metrics.json").read_text())["metrics"]
    means = [metric["metric"] for metric in metrics if metric.get("source")]
    if not means:
        sys.exit("No metric of the run is a plain mean, so there is nothing to gate; add surface.")
    (whole / "gate.toml").write_text(POLICY.format(means[0]))
    labels = json.loads((whole / "new" / "run.json").read_text())["scorers"]
    scorers = sorted({entry["name"] + (f":{entry['target']}" if entry["target"] else "")
                      for known in labels.values() for entry in known.values()})  # fmt: skip

    def both(folder: Path) -> None:
        shutil.copytree(whole, folder)

    def unscored(folder: Path) -> None:
        shutil.copytree(whole / "new", folder / "new")
        shutil.rmtree(folder / "new" / "scores")
        (folder / "new" / "metrics.json").unlink()
        manifest = json.loads((folder / "new" / "run.json").read_text())
        manifest |= {"scorers": {}, "audits": {}, "status": "running", "warnings": []}
        (folder / "new" / "run.json").write_text(json.dumps(manifest))

    def shelf(folder: Path) -> None:
        for number in range(ALL_RUNS):
            shutil.copytree(whole / "new", folder / "empeval-runs" / str(number))

    gate = ("gate", "new", "--baseline", "base", "--policy", "gate.toml", "--junit", "gate.xml",
            "--markdown", "gate.md", "--json", "gate-all.json")  # fmt: skip
    return {
        "run": Verb(["run", *asked, "--out", "new"], lambda folder: folder.mkdir()),
        "score": Verb(["score", "new", "--scorers", ",".join(scorers)], unscored),
        "compare": Verb(["compare", "base", "new", "--format", "json"], both, prints=True),
        "gate": Verb([*gate], both),
        "report": Verb(["report", "base", "new", "-o", "report.html"], both),
        "export": Verb(["export", "new", "--format", "csv", "--out", "tables"], both),
        "prune": Verb(["runs", "prune", "--keep", str(KEPT_RUNS), "--yes"], shelf),
    }


def undisturbed(name: str, verb: Verb, work: Path) -> None:
    """Let a verb run in peace and note what comes out, unless that was done."""
    folder, note = work / f"peaceful-{name}", work / f"peaceful-{name}.json"
    if not note.is_file():
        shutil.rmtree(folder, ignore_errors=True)
        verb.prepare(folder)
        started = time.monotonic()
        code, output = through(verb, folder, fork)
        if code not in (0, 3, 4):
            sys.exit(f"empeval {' '.join(verb.words)} failed with {code}: {output}")
        made = Facts(time.monotonic() - started, output, code)
        note.write_bytes(msgspec.json.encode(made))
    facts = msgspec.json.decode(note.read_bytes(), type=Facts)
    verb.seconds, verb.output, verb.code = facts.seconds, facts.output, facts.code
    verb.expected = files_of(folder)


def round_of(
    name: str, verb: Verb, folder: Path, dice: random.Random, start: Start
) -> tuple[str, Counter[str]]:
    """One kill, and the same verb again; when it was killed, and what is not as it should be."""
    state = ""
    while not state:  # it was quicker than the dice
        shutil.rmtree(folder, ignore_errors=True)
        verb.prepare(folder)
        state = killed(verb, folder, dice, start)
    counts = Counter({"different": len(torn(folder))})
    code, output = through(verb, folder, start)
    if code != verb.code:
        print(f"{name}: exit code {code}: {output}", flush=True)
        counts["different"] += 1
    counts += differences(verb, folder, output)
    if not any(counts.values()):
        shutil.rmtree(folder)
    return state, counts


def main() -> int:
    """Run the rounds; 1 if anything is lost, doubled, different or left over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--verbs", default="run,score,compare,gate,report,export,prune")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="note the rounds here, and keep what is wrong")
    parser.add_argument("--minutes", type=float, help="stop after so long; run it again to go on")
    parser.add_argument("--fresh", type=int, default=20, metavar="N",
                        help="start Python anew in every Nth round (default: 20)")  # fmt: skip
    parser.add_argument("arguments", nargs="*", help="after --: arguments of empeval run")
    options = parser.parse_args()
    end = time.monotonic() + 60 * (options.minutes or float("inf"))
    work = (options.work or Path(tempfile.mkdtemp(prefix="kills-"))).absolute()
    work.mkdir(parents=True, exist_ok=True)
    every = verbs(options.arguments or list(ASKED), work)
    chosen = {name: every[name] for name in options.verbs.split(",")}
    warm_up([(verb.words, verb.prepare) for verb in chosen.values()], work / "warm")
    for name, verb in chosen.items():
        undisturbed(name, verb, work)
        print(f"{name}: {verb.seconds:.2f} s undisturbed, {len(verb.expected)} files", flush=True)
    notes, names = work / "rounds.jsonl", list(chosen)
    done = {one.number: one for one in read_journal(notes, Round)}
    with Journal[Round](notes) as journal:
        for number in range(options.kills):
            if number in done:
                continue
            if time.monotonic() > end:
                break
            name, anew = names[number % len(names)], (number + 1) % options.fresh == 0
            folder, dice = work / f"round{number}", random.Random(f"{options.seed} {number}")
            start = fresh if anew else fork
            state, counts = round_of(name, chosen[name], folder, dice, start)
            done[number] = Round(number, name, state, anew, dict(+counts))
            journal.append(done[number])
            said = dict(+counts) or "as undisturbed"
            print(f"round {number + 1}: {name}, killed {state}: {said}", flush=True)
    bad = told_all(list(done.values()))
    if not bad and options.work is None:
        shutil.rmtree(work)
    return 1 if bad else 0


def told_all(rounds: Sequence[Round]) -> int:
    """Print a line a verb; how much of anything is wrong."""
    bad = 0
    for name in dict.fromkeys(one.verb for one in rounds):
        own = [one for one in rounds if one.verb == name]
        wrong = Counter[str]()
        for one in own:
            wrong.update(one.counts)
        writing = sum(one.state == "writing" for one in own)
        anew = sum(one.fresh for one in own)
        found = ", ".join(f"{wrong[what]} {what}" for what in COUNTED)
        print(f"{name:8} {len(own):4} kills, {writing:4} while it wrote, {anew:3} of a fresh "
              f"Python: {found}")  # fmt: skip
        bad += wrong.total()
    print(f"{len(rounds)} kills, {bad} of anything lost, doubled, different or left over")
    return bad


if __name__ == "__main__":
    sys.exit(main())
