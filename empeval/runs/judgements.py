"""What models said to scorers that ask them: kept, so that nothing is asked twice."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from empeval.interfaces import Scorer
from empeval.records import Response
from empeval.redacting import redact
from empeval.runs.journal import Journal, read_journal
from empeval.spending import Spending


class Judgements(MutableMapping[str, Response]):
    """Answers of a judge by their key, in a file to which they are appended as they come.

    The file is read when it is first asked, and made when there is something to keep. A key that
    comes twice keeps the later answer.

    Args:
        path: the file, a ``Response`` a line, whose ``id`` is the key.

    Raises:
        RunFolderError: (when it is read) a line is damaged.
        StorageError: (when it is written) the file cannot be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held: dict[str, Response] | None = None
        self._open: Journal[Response] | None = None
        self._stack = ExitStack()

    @property
    def _known(self) -> dict[str, Response]:
        if self._held is None:
            self._held = {line.id: line for line in read_journal(self.path, Response)}
        return self._held

    def __getitem__(self, key: str) -> Response:
        return self._known[key]

    def __setitem__(self, key: str, response: Response) -> None:
        line = _cleaned(response, key)
        self._known[key] = line
        if self._open is None:
            self._open = self._stack.enter_context(Journal[Response](self.path))
        self._open.append(line)

    def __delitem__(self, key: str) -> None:
        raise TypeError("what a judge said is not taken back")

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def close(self) -> None:
        """Have the file reach the disk."""
        self._open = None
        self._stack.close()


@contextmanager
def heard(
    scorer: Scorer,
    judgements: Judgements,
    spending: Spending | None = None,
    shared_work: MutableMapping[Hashable, Any] | None = None,
) -> Iterator[None]:
    """Let a scorer keep what it hears, spend what may be spent, and share what it makes of the
    samples with the others, as long as this lasts.
    """
    scorer.judgements, scorer.spending = judgements, spending
    scorer.shared_work = shared_work
    try:
        yield
    finally:
        scorer.judgements = scorer.spending = scorer.shared_work = None
        judgements.close()


def _cleaned(response: Response, key: str) -> Response:
    """The answer without a secret that a judge repeats or a server tells."""
    from msgspec.structs import replace

    cleaned: Response = replace(
        response,
        id=key,
        response=redact(response.response),
        reasoning=redact(response.reasoning) if response.reasoning else response.reasoning,
        note=redact(response.note) if response.note else response.note,
    )
    return cleaned
