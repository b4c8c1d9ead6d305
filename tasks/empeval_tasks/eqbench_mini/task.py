"""The task ``eqbench-mini``."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Any

import msgspec

from empeval import Item, Message, Sampling, Task, TaskCard
from empeval_tasks.eqbench.likelihood import Mode, blanks, with_likelihood
from empeval_tasks.eqbench.questions import eqbench_target

_PROMPT = """\
Here is a conversation.

{dialogue}
[The conversation ends here.]

How strongly does {about} feel each of these when it ends?
{names}

Use whole numbers between 0 (not at all) and 10 (as strongly as can be). Reply with these four \
lines only, with your number in place of the words in angle brackets:

{form}

Your reply:"""


class EQBenchMini(Task):
    """Twenty-eight questions in EQ-Bench's form, with dialogues and wording of our own.

    Args:
        mode: as for ``eqbench``.
    """

    card = TaskCard(
        version="1",
        summary="eqbench in small, on dialogues of our own: a smoke test, not for ranking models.",
        provides=("eqbench",),
        scorers=("eqbench",),
        license="Apache-2.0",
        sampling=Sampling(max_tokens=80),
        dataset="comes with empeval",
    )

    def __init__(self, *, mode: Mode = "generate") -> None:
        self.mode: Mode = mode
        if mode == "likelihood":
            self.card = with_likelihood(type(self).card)

    def items(self) -> Iterator[Item]:
        """Yield the questions in the order of the file."""
        file = resources.files(__package__).joinpath("questions.jsonl")
        for line in file.read_bytes().splitlines():
            yield _item(msgspec.json.decode(line), self.mode)


def _item(row: dict[str, Any], mode: Mode) -> Item:
    names = list(row["emotions"])
    prompt = _PROMPT.format(
        dialogue="\n".join(f"{speaker}: {line}" for speaker, line in row["dialogue"]),
        about=row["about"],
        names="\n".join(names),
        form="\n".join(f"{name}: <your number>" for name in names),
    )
    return Item(
        id=row["id"],
        messages=(Message("user", prompt),),
        cluster=row["scene"],
        target=eqbench_target(row["emotions"]),
        metadata={"scene": row["scene"], "about": row["about"]},
        blanks=blanks(row["emotions"]) if mode == "likelihood" else (),
    )
