"""By which means a server's likelihoods are read; ``likelihood`` has how."""

from __future__ import annotations

from typing import Literal

from empeval.generators.openai.questions import Api

Method = Literal["echo", "prompt", "top", "words"]
Choice = Literal["auto", "echo", "prompt", "top", "words"]
METHODS: dict[Api, tuple[Method, ...]] = {
    "completions": ("echo", "top"),
    "chat": ("prompt", "top", "words"),
}
"""In the order in which a server is asked whether it knows them."""
