"""Files of a data set from the Hugging Face hub, and the hub's failures in plain words.

huggingface_hub does the work: HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_OFFLINE are its own.
It is imported inside the functions, so that everything local stays fast.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from empeval.errors import HubError
from empeval.roles import playing

_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}
_BROKEN_OFF = {"RemoteProtocolError", "ReadError", "XetDownloadError"}


def fetch_dataset(
    dataset: str, patterns: Sequence[str], *, revision: str | None, what: str
) -> list[Path]:
    """Download the files that the first fitting pattern matches, or find them in the hub's cache.

    Sizes and hashes are compared with what the hub states. When the hub is out of reach, files
    that an earlier call downloaded are used.

    Args:
        dataset: ``org/name``.
        patterns: file names or glob patterns, the preferred one first.
        revision: branch, tag or commit; ``None`` is the default branch.
        what: how errors call the data set.

    Raises:
        HubError: they cannot be had; the message says why and what to do.
    """
    from huggingface_hub import HfApi, snapshot_download

    try:
        info = HfApi().dataset_info(dataset, revision=revision, files_metadata=True)
    except Exception as error:
        cached = _of_earlier_calls(dataset, patterns, revision) if _out_of_reach(error) else []
        if cached:
            return cached
        raise hub_failure(error, what, revision=revision) from error
    stated = {sibling.rfilename: sibling for sibling in info.siblings or []}
    names = first_match(list(stated), patterns)
    if not names:
        raise HubError(
            f"{_capital(what)} has no file {' or '.join(patterns)} on the hub; it has "
            f"{few(sorted(stated))}.",
            repo=dataset,
            code="hub-not-found",
        )
    paths = _in_cache(dataset, names, info.sha)
    if not paths:
        try:
            folder = snapshot_download(
                dataset,
                repo_type="dataset",
                revision=revision,
                allow_patterns=[glob.escape(name) for name in names],
            )
        except Exception as error:
            raise hub_failure(error, what, revision=revision) from error
        paths = [Path(folder, name) for name in names]
    for name, path in zip(names, paths, strict=True):
        if _damaged(path, stated[name]):
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise HubError(
                f"The download of {what} arrived damaged: {name} is not what the hub says it is.",
                repo=dataset,
                hint="Run the command again to download it anew.",
                code="hub-damaged",
            )
    return paths


def hub_failure(error: Exception, what: str, *, revision: str | None = None) -> HubError:
    """Say in one or two sentences what a failure of huggingface_hub means and what to do.

    Causes are looked through as well, so an error that transformers wrapped is understood too.

    Args:
        error: whatever was raised while something was fetched.
        what: ``"model 'org/name'"`` or ``"data set 'org/name'"``.
        revision: the revision that was asked for.
    """
    for cause in _chain(error):
        found = _explain(cause, what, revision)
        if found is not None:
            return found
    reason = (str(error).strip().splitlines() or [""])[0].rstrip(".")
    said = f"{_capital(what)} cannot be fetched: {type(error).__name__}: {reason}."
    return HubError(said, repo=_repository(what))


def _explain(error: BaseException, what: str, revision: str | None) -> HubError | None:
    from huggingface_hub import errors

    def told(code: str, said: str, hint: str) -> HubError:
        return HubError(said, repo=_repository(what), hint=hint, code=code)

    message = str(error)
    if isinstance(error, errors.GatedRepoError):
        return told(
            "hub-refused",
            f"{_capital(what)} is gated:",
            f"accept its terms on {_page(what)} and set HF_TOKEN to a token of the account that "
            "did.",
        )
    if isinstance(error, errors.RevisionNotFoundError):
        at = f"revision '{revision}'" if revision else "such revision"
        hint = f"{_page(what)} lists its branches and tags."
        return told("hub-not-found", f"{_capital(what)} has no {at};", hint)
    if isinstance(error, errors.RepositoryNotFoundError):
        return told(
            "hub-not-found",
            f"The hub ({_endpoint()}) has no {what}, or it is private.",
            "Check the name; for a private repository set HF_TOKEN.",
        )
    if isinstance(error, errors.HFValidationError):
        said = f"{_capital(what)}: no repository of the hub can have that name;"
        return told("hub-not-found", said, "it takes org/name.")
    if isinstance(error, errors.OfflineModeIsEnabled):
        said = f"HF_HUB_OFFLINE is set and {what} is not in the hub's cache."
        return told("hub-unreachable", said, _way_out(what))
    if type(error).__name__ in _BROKEN_OFF or message.startswith("Consistency check failed"):
        said = f"The download of {what} broke off or came with a wrong length."
        return told("hub-damaged", said, "Run the command again.")
    if isinstance(error, errors.FileMetadataError | json.JSONDecodeError):
        return told("hub-unreachable", *_no_hub(what))
    if isinstance(error, errors.RemoteEntryNotFoundError):
        said = f"{_capital(what)} lacks a file that is needed;"
        return told("hub-not-found", said, f"see the files on {_page(what)}.")
    if isinstance(error, errors.HfHubHTTPError):
        return told(*_status(error.response.status_code, what))
    if isinstance(error, errors.HTTPError):
        reason = (message.splitlines() or [""])[0].rstrip(".") or type(error).__name__
        said = f"The hub ({_endpoint()}) cannot be reached for {what}: {reason}."
        return told("hub-unreachable", said, _way_out(what))
    if isinstance(error, OSError) and error.errno in _STORAGE:
        return told(
            "",
            f"{_capital(what)} cannot be stored in {error.filename or 'the cache of the hub'}: "
            f"{error.strerror}.",
            "Make room there or set HF_HOME to another folder.",
        )
    return None


def _status(status: int, what: str) -> tuple[str, str, str]:
    """Code, message and hint of a hub's reply that is none."""
    if status == 404:  # a hub's own 404 says what it is that does not exist
        return ("hub-unreachable", *_no_hub(what))
    if status in (401, 403):
        return (
            "hub-refused",
            f"The hub does not let this account read {what} (status {status});",
            "set HF_TOKEN to a valid token that may, or unset a wrong one.",
        )
    if status == 429:
        said = f"The hub takes no more requests for {what} just now (status 429);"
        return "hub-unreachable", said, "wait a while."
    said = f"The hub ({_endpoint()}) cannot serve {what} (status {status})."
    return "hub-unreachable", said, _way_out(what)


def _no_hub(what: str) -> tuple[str, str]:
    return (
        f"{_endpoint()} does not answer as a hub does, so {what} cannot be fetched;",
        f"check HF_ENDPOINT and any proxy. {_way_out(what)}",
    )


def _way_out(what: str) -> str:
    if what.startswith("model"):
        return "Models that come in packages need no hub: see `empeval models list`."
    said = "Data sets can also be read from a local mirror: --data-dir or EMPEVAL_DATA"
    known = playing("offline")
    if not known:
        return f"{said}."
    tasks = f"the tasks {' and '.join(known)} need" if len(known) > 1 else f"{known[0]} needs"
    return f"{said}; {tasks} no download."


def _out_of_reach(error: Exception) -> bool:
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return bool(error.response.status_code >= 500)
    return isinstance(error, errors.OfflineModeIsEnabled | errors.HTTPError)


def _in_cache(dataset: str, names: Sequence[str], commit: str | None) -> list[Path]:
    """The files of this very commit, or nothing unless the cache holds all of them."""
    from huggingface_hub import try_to_load_from_cache

    found = [
        try_to_load_from_cache(dataset, name, repo_type="dataset", revision=commit)
        for name in names
    ]
    return [Path(path) for path in found] if all(isinstance(path, str) for path in found) else []


def _of_earlier_calls(dataset: str, patterns: Sequence[str], revision: str | None) -> list[Path]:
    """Files of the first pattern that the cache holds completely."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    for pattern in patterns:
        try:
            folder = snapshot_download(
                dataset,
                repo_type="dataset",
                revision=revision,
                allow_patterns=[pattern],
                ignore_patterns=["*/" * (pattern.count("/") + 1) + "*"],  # here * crosses /
                local_files_only=True,
            )
        except (LocalEntryNotFoundError, ValueError):
            continue
        found = first_match(list_files(Path(folder)), [pattern])
        if found:
            return [Path(folder, name) for name in found]
    return []


def list_files(folder: Path) -> list[str]:
    """Names of all files below a folder, relative to it, with ``/``, sorted."""
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def first_match(names: Sequence[str], patterns: Sequence[str]) -> list[str]:
    """All names that the first fitting pattern matches, sorted; ``*`` does not cross ``/``."""
    for pattern in patterns:
        found = sorted(name for name in names if _matches(name.split("/"), pattern.split("/")))
        if found:
            return found
    return []


def few(names: Sequence[str], count: int = 8) -> str:
    """Name the first few, and say how many more there are."""
    if not names:
        return "no files"
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more


def _matches(parts: list[str], wanted: list[str]) -> bool:
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


def _damaged(path: Path, stated: Any) -> bool:
    """Compare a file with the size and hash that the hub states (git's own for small files)."""
    size = path.stat().st_size
    if stated.size is not None and size != stated.size:
        return True
    if stated.lfs is not None:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() != str(stated.lfs.sha256)
    if stated.blob_id is None:
        return False
    git = hashlib.sha1(b"blob %d\0" % size + path.read_bytes(), usedforsecurity=False)
    return git.hexdigest() != str(stated.blob_id)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what led to it, outermost first."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )


def _endpoint() -> str:
    from huggingface_hub import constants

    return str(constants.ENDPOINT)


def _page(what: str) -> str:
    name = _repository(what)
    kind = "" if what.startswith("model") else "datasets/"
    return f"{_endpoint()}/{kind}{name}" if name else _endpoint()


def _repository(what: str) -> str | None:
    name = re.search(r"'([^']+)'", what)
    return name[1] if name else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
