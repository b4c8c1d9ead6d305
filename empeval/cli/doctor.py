"""``empeval doctor``: what works on this machine, and what to do about what does not."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

EPILOG = """examples:
  empeval doctor
  EMPEVAL_DATA=./mirror empeval doctor

ok: works; note: works without; fail: broken, and the exit code is 1.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Print one line a check; 1 if any failed."""
    from empeval import colour
    from empeval.cli.text import say

    failed = False
    for state, subject, finding in checks(options):
        failed |= state == "fail"
        print(colour.word(f"{state:5}", sys.stdout), end=" ")
        say(f"{subject:14} {' '.join(finding.splitlines())}")
    return 1 if failed else 0


def checks(options: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    """Each check's state (``ok``, ``note``, ``fail``), subject and finding."""
    from empeval.environment import PACKAGES, environment, version

    facts = environment()
    yield "ok", "empeval", f"{facts['empeval']} on Python {facts['python']}, {facts['platform']}"
    hardware = facts["hardware"]
    memory = hardware["memory_bytes"]
    size = f", {memory / 2**30:.0f} GiB" if memory else ""
    yield "ok", "hardware", f"{hardware['cpu']}, {hardware['cores']} cores{size}"
    for name in PACKAGES:
        found = version(name)
        if found:
            yield "ok", name, found
    yield from _extras()
    yield from _torch()
    yield from _plugins(options)
    yield from _models()
    yield from _data()


def _extras() -> Iterator[tuple[str, str, str]]:
    """What is not installed, and the line that installs it."""
    from empeval.extras import EXTRAS, install_line, is_installed

    for extra, packages in EXTRAS.items():
        missing = [name for name in packages if not is_installed(name)]
        if missing:
            finding = f"without {', '.join(missing)}: {install_line(extra)}"
            yield "note", extra, finding
        else:
            yield "ok", extra, "installed"


def _torch() -> Iterator[tuple[str, str, str]]:
    from empeval.extras import is_installed

    if not is_installed("torch"):
        return
    try:
        import torch

        from empeval.generators.hf.loading import choose_device, cpu_has_bf16

        device = choose_device("auto")
    except Exception as error:  # a library that does not fit, a driver that is missing
        yield "fail", "torch", f"does not work: {type(error).__name__}: {error}"
        return
    where = torch.cuda.get_device_name() if device == "cuda" else device
    slow = device == "cpu" and not cpu_has_bf16()
    hint = "; no bfloat16 units, models run in float32" if slow else ""
    yield "ok", "device", f"{where}{hint}"


def _plugins(options: argparse.Namespace) -> Iterator[tuple[str, str, str]]:
    from empeval.cli.plugins import installed
    from empeval.errors import counted

    for plugin in installed(options.hooks, check=True):
        count = len(plugin["components"]) + len(plugin["hooks"])
        if plugin["errors"]:
            for error in plugin["errors"]:
                yield "fail", "plugin", f"{plugin['name']}: {error}"
        else:
            loaded = counted(count, "component loads", "components load")
            yield "ok", "plugin", f"{plugin['name']} {plugin['version']}: {loaded}"


def _models() -> Iterator[tuple[str, str, str]]:
    from empeval import models

    for model in models.catalogue():
        state = models.state(model.name)
        if state == "ready":
            state = models.check(model.name)
        if state == "damaged":
            yield (
                "fail",
                "model",
                f"{model.name} is damaged: empeval models get --force {model.name}",
            )
        elif state == "absent":
            yield "note", "model", f"{model.name} is absent: empeval models get {model.name}"
        else:
            yield "ok", "model", f"{model.name} is ready, every file as it should be"


def _data() -> Iterator[tuple[str, str, str]]:
    from empeval.data import data_directory
    from empeval.errors import UsageError

    try:
        folder = data_directory()
    except UsageError as error:
        yield "fail", "data", str(error)
        return
    if folder is None:
        yield "note", "data", "EMPEVAL_DATA is not set: data sets come from the hub"
    else:
        yield "ok", "data", f"EMPEVAL_DATA is {folder}; what it lacks comes from the hub"
