"""Kill every verb that writes at random moments, go on, and compare with one left in peace.

Each round takes one verb (run, score, compare, gate, report, export, prune), starts it in a fresh
folder, kills it with SIGKILL at a random moment, looks at what lies there, and gives the same
command again until it gets through. Half of the moments are drawn over the length of the verb,
half lie just after it began to write. At the end every answer and score must be there once and as
the undisturbed command gave it, and figures, documents and tables must be the same bytes.

    python benchmarks/kill_and_resume.py --kills 1000
    python benchmarks/kill_and_resume.py --kills 200 --verbs run,score -- \\
        --model packaged:smollm2-135m-instruct --tasks ed-mini --limit 6 --max-tokens 24
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
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

ASKED = ("--model", "human:", "--tasks", "ed-mini", "--scorers", "surface")
POLICY = '[[headline]]\nmetric = "{}"\nmargin = 1.0\n'
KEPT_RUNS, ALL_RUNS = 1, 4
COUNTED = ("lost", "doubled", "different", "left over")

Tree = dict[str, tuple[int, int]]


@dataclass
class Verb:
    """A verb under test.

    Attributes:
        command: its words.
        prepare: makes the folder that it is started in.
        seconds: it took undisturbed.
        output: what it printed; compared for verbs that only print.
        code: its exit code.
        expected: a file's name -> its bytes after the undisturbed command.
    """

    command: list[str]
    prepare: Callable[[Path], None]
    prints: bool = False
    seconds: float = 0.0
    output: str = ""
    code: int = 0
    expected: dict[str, bytes] = field(default_factory=dict)


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
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                facts = os.stat(os.path.join(place, name))
            except FileNotFoundError:
                continue
            found[os.path.join(place, name)] = (facts.st_mtime_ns, facts.st_size)
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


def killed(verb: Verb, folder: Path, dice: random.Random) -> str:
    """Start a command and kill it; ``""`` when it had ended, else whether it had written."""
    before = tree(folder)
    process = subprocess.Popen(
        verb.command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    started = time.monotonic()
    if verb.prints or dice.random() < 0.5:
        moment = started + dice.uniform(0.02, verb.seconds)
        while time.monotonic() < moment and process.poll() is None:
            time.sleep(0.002)
    else:
        while process.poll() is None and tree(folder) == before:
            time.sleep(0.001)
        time.sleep(abs(dice.gauss(0, 0.05)))
    process.kill()
    process.wait()
    if process.returncode >= 0:
        return ""
    return "writing" if tree(folder) != before else "before it wrote"


def through(verb: Verb, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(verb.command, cwd=folder, capture_output=True, text=True, check=False)


def verbs(empeval: list[str], asked: list[str], work: Path) -> dict[str, Verb]:
    """The verbs, each with the folder that it begins in."""
    whole = work / "whole"
    whole.mkdir()
    subprocess.run(
        [*empeval, "run", *asked, "--out", "new"], cwd=whole, check=True, stdout=subprocess.DEVNULL
    )
    shutil.copytree(whole / "new", whole / "base")
    figures = json.loads((whole / "new" / "metrics.json").read_text())["metrics"]
    means = [figure["metric"] for figure in figures if figure.get("source")]
    if not means:
        sys.exit("No figure of the run is a plain mean, so there is nothing to gate; add surface.")
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
        "run": Verb([*empeval, "run", *asked, "--out", "new"], lambda folder: folder.mkdir()),
        "score": Verb([*empeval, "score", "new", "--scorers", ",".join(scorers)], unscored),
        "compare": Verb(
            [*empeval, "compare", "base", "new", "--format", "json"], both, prints=True
        ),
        "gate": Verb([*empeval, *gate], both),
        "report": Verb([*empeval, "report", "base", "new", "-o", "report.html"], both),
        "export": Verb([*empeval, "export", "new", "--format", "csv", "--out", "tables"], both),
        "prune": Verb([*empeval, "runs", "prune", "--keep", str(KEPT_RUNS), "--yes"], shelf),
    }


def undisturbed(verb: Verb, folder: Path) -> None:
    """Let a verb run in peace and note what comes out."""
    verb.prepare(folder)
    started = time.monotonic()
    done = through(verb, folder)
    verb.seconds = time.monotonic() - started
    if done.returncode not in (0, 3, 4):
        sys.exit(f"{' '.join(verb.command)} failed: {done.stderr}")
    verb.output, verb.code, verb.expected = done.stdout, done.returncode, files_of(folder)


def round_of(name: str, verb: Verb, folder: Path, dice: random.Random) -> tuple[str, Counter[str]]:
    """One kill, and the same command again; when it was killed, and what is not as it should be."""
    state = ""
    while not state:  # it was quicker than the dice
        shutil.rmtree(folder, ignore_errors=True)
        verb.prepare(folder)
        state = killed(verb, folder, dice)
    counts = Counter({"different": len(torn(folder))})
    done = through(verb, folder)
    if done.returncode != verb.code:
        print(f"{name}: exit code {done.returncode}: {done.stderr}", flush=True)
        counts["different"] += 1
    counts += differences(verb, folder, done.stdout)
    if not any(counts.values()):
        shutil.rmtree(folder)
    return state, counts


def main() -> int:
    """Run the rounds; 1 if anything is lost, doubled, different or left over."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--verbs", default="run,score,compare,gate,report,export,prune")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, help="keep what is not as it should be here")
    parser.add_argument("arguments", nargs="*", help="after --: arguments of empeval run")
    options = parser.parse_args()
    dice = random.Random(options.seed)
    work = options.work or Path(tempfile.mkdtemp(prefix="kills-"))
    work.mkdir(parents=True, exist_ok=True)
    every = verbs([sys.executable, "-m", "empeval"], options.arguments or list(ASKED), work)
    chosen = {name: every[name] for name in options.verbs.split(",")}
    for name, verb in chosen.items():
        undisturbed(verb, work / f"peaceful-{name}")
        print(f"{name}: {verb.seconds:.1f} s undisturbed, {len(verb.expected)} files", flush=True)
    totals = {name: Counter() for name in chosen}
    names = list(chosen)
    for number in range(options.kills):
        name = names[number % len(names)]
        state, counts = round_of(name, chosen[name], work / f"round{number}", dice)
        totals[name] += Counter({"kills": 1, state: 1}) + counts
        said = dict(+counts) or "as undisturbed"
        print(f"round {number + 1}: {name}, killed {state}: {said}", flush=True)
    for name, total in totals.items():
        found = ", ".join(f"{total[what]} {what}" for what in COUNTED)
        print(f"{name:8} {total['kills']:4} kills, {total['writing']:4} while it wrote: {found}")
    bad = sum(total[what] for total in totals.values() for what in COUNTED)
    kills = sum(total["kills"] for total in totals.values())
    print(f"{kills} kills, {bad} of anything lost, doubled, different or left over")
    if not bad and options.work is None:
        shutil.rmtree(work)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
