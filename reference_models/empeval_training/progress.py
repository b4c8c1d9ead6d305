"""What training says while it works: lines on standard error, bars where a person watches."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


def say(text: str) -> None:
    """Print a line on standard error."""
    print(text, file=sys.stderr, flush=True)


def watched() -> bool:
    """Whether a person watches: standard error is a terminal."""
    return sys.stderr.isatty()


def bar(items: Iterable[T], what: str) -> Iterable[T]:
    """The items, with a bar that shows after two seconds where a person watches."""
    from tqdm import tqdm

    return tqdm(items, desc=what, delay=2, leave=False, disable=not watched())


def show_steps(trainer: Any) -> None:
    """Give transformers' Trainer a bar where a person watches, and no lines of raw figures."""
    from transformers import PrinterCallback, ProgressCallback

    class Bar(ProgressCallback):  # type: ignore[misc]
        def on_log(self, *_: Any, **__: Any) -> None:
            """Print nothing: what counts of a stage is said when it ends."""

    trainer.remove_callback(PrinterCallback)
    trainer.remove_callback(ProgressCallback)
    if watched():
        trainer.add_callback(Bar)


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
            yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
        if tables:
            enable_progress_bars()
