"""What training says while it works: bars where a person watches, a line a minute in a log."""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

EVERY = 60.0
"""Seconds between two lines where nobody watches."""


def say(text: str) -> None:
    """Print a line on standard error."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - no log line: a bar for a log file


def watched() -> bool:
    """Whether a person watches: standard error is a terminal."""
    return sys.stderr.isatty()


def bar(items: Iterable[T], what: str) -> Iterable[T]:
    """The items; with a bar where a person watches, with a line a minute where nobody does."""
    from tqdm import tqdm

    if watched():
        return tqdm(items, desc=what, delay=2, leave=False)
    return _told(items, what)


def _told(items: Iterable[T], what: str) -> Iterator[T]:
    total = f" of {len(items)}" if isinstance(items, Sized) else ""
    last = time.monotonic()
    for done, item in enumerate(items):
        if time.monotonic() - last >= EVERY:
            last = time.monotonic()
            say(f"{what}: {done}{total}")
        yield item


def show_steps(trainer: Any) -> None:
    """Give transformers' Trainer a bar or, where nobody watches, a line a minute."""
    from transformers import PrinterCallback, ProgressCallback, TrainerCallback

    class Bar(ProgressCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, **__: Any) -> None:
            """Print nothing: what counts of a stage is said when it ends."""

    class Lines(TrainerCallback):  # type: ignore[misc]
        last = time.monotonic()

        def on_step_end(self, _args: Any, state: Any, *_: Any, **__: Any) -> None:
            """Say how far it is."""
            if time.monotonic() - self.last >= EVERY:
                self.last = time.monotonic()
                say(f"step {state.global_step} of {state.max_steps}")

    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    trainer.add_callback(Bar if watched() else Lines)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the remarks and small bars of transformers and PEFT out of the way of ours."""
    from datasets import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars
    from transformers.utils import logging

    tables = not are_progress_bars_disabled()
    disable_progress_bars()
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            # An adapter names its base as empeval does; PEFT looks for a folder of that name.
            warnings.filterwarnings("ignore", message="Could not find a config file in packaged:")
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if tables:
            enable_progress_bars()
