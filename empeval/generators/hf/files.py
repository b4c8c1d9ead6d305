"""Where a model's files are: a folder, a GGUF file or a snapshot of a hub repository."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from empeval.errors import HubError, UsageError
from empeval.generators.hf.weights import (
    MARKERS,
    Kind,
    candidates,
    damage,
    find_weights,
    read_json,
)
from empeval.hub import hub_failure

SMALL = ("*.json", "*.model", "*.txt", "*.jinja", "README.md")
"""All of a repository that is needed beside the weights, in its top folder."""

_DEEPER = ("*/*.json", "*/*.model", "*/*.txt", "*/*.md", "*/*/*", "[!a]*/*")
"""Of the small files in folders none is fetched but ``additional_chat_templates/*.jinja``."""

_FRONT_MATTER = re.compile(r"---[ \t]*\n(.*?)^---[ \t]*$", re.DOTALL | re.MULTILINE)

_READ = ("*.safetensors", "*.bin", "*.json", "*.model", "*.txt", "*.jinja")


class ModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """The files of a model or of an adapter.

    Attributes:
        folder: local folder with at least configuration and tokenizer.
        fingerprint: ``commit:<sha>`` of a hub snapshot, ``sha256:<hex>`` of local files.
        kind: ``model`` or ``adapter``.
        gguf: the file's name inside ``folder``, when the model is a GGUF file.
        repository: hub id, when it came from the hub.
        revision: the commit of ``repository``.
        license: as stated in the model's card, if at all.
    """

    folder: Path
    fingerprint: str
    kind: Kind = "model"
    gguf: str | None = None
    repository: str | None = None
    revision: str | None = None
    license: str | None = None

    @property
    def name(self) -> str:
        """What the user calls it: the hub id, or the path."""
        return self.repository or str(self.folder / (self.gguf or ""))


def looks_local(target: str) -> bool:
    """Whether a target is meant as a path rather than a hub id."""
    return (
        os.path.exists(target)
        or target.startswith((".", "/", "~", "\\"))
        or target.endswith((".gguf", "/", "\\"))
        or target.count("/") > 1
        or os.path.isabs(target)
    )


def find_files(target: str, revision: str | None, kind: Kind = "model") -> ModelFiles:
    """Find a model or an adapter; from the hub only the small files are fetched.

    Args:
        target: folder, ``.gguf`` file or hub id.
        revision: branch, tag or commit of a hub repository.
        kind: which of the two is wanted.

    Raises:
        UsageError: a path that holds no such thing. HubError: the hub does not give it.
    """
    if not looks_local(target):
        return _from_hub(target, revision, kind)
    path = Path(target).expanduser()
    if revision is not None:
        raise UsageError(f"'revision' goes with a hub id; {target} is local.")
    if path.suffix == ".gguf" and kind == "model":
        return _gguf(path)
    if not path.exists():
        raise UsageError(f"There is no {kind} folder {target}.")
    if not path.is_dir():
        forms = "a model folder, a .gguf file or a hub id" if kind == "model" else "a folder"
        raise UsageError(f"{target} is a file; what is wanted is {forms}.")
    if not (path / MARKERS[kind]).is_file():
        reason = f"it has no {MARKERS[kind]}"
        raise UsageError(f"{target} is no {kind} folder: {reason}.{_instead(path, kind)}")
    read_json(path / MARKERS[kind])
    for weights in find_weights(path, kind):
        if fault := damage(weights):
            raise UsageError(f"{weights} {fault}; copy the {kind} again.")
    files = sorted({f for pattern in _READ for f in path.glob(pattern) if f.is_file()})
    return ModelFiles(folder=path, fingerprint=hash_files(files), kind=kind, license=_license(path))


def fetch_weights(files: ModelFiles) -> Path:
    """Fetch a hub model's weights into its snapshot; returns the folder to load.

    Raises:
        HubError: they cannot be had, or came damaged.
    """
    if files.repository is None:
        return files.folder
    sets = candidates(files.folder, files.kind)
    for names in sets:
        folder = _snapshot(files.repository, files.revision, names, files.kind)
        if all((folder / name).is_file() for name in names):
            break
    else:
        raise _missing_weights(files, sets[0][0])
    for path in (folder / name for name in names):
        if fault := damage(path):
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise HubError(
                f"The download of {files.kind} '{files.repository}' arrived damaged: {path.name} "
                f"{fault}.",
                repo=files.repository,
                hint="Run the command again to download it anew.",
                code="hub-damaged",
            )
    return folder


def hash_files(paths: Sequence[Path]) -> str:
    """``sha256:<hex>`` over names and contents of files, in the order of their names."""

    def digest(path: Path) -> bytes:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").digest()

    ordered = sorted(paths, key=lambda p: p.name)
    with ThreadPoolExecutor(max_workers=4) as pool:
        digests = list(pool.map(digest, ordered))
    whole = hashlib.sha256()
    for path, one in zip(ordered, digests, strict=True):
        whole.update(path.name.encode() + b"\0" + one)
    return f"sha256:{whole.hexdigest()}"


def _gguf(path: Path) -> ModelFiles:
    if not path.is_file():
        raise UsageError(f"There is no file {path}.")
    with open(path, "rb") as file:
        if file.read(4) != b"GGUF":
            raise UsageError(f"{path} is no GGUF file (its first bytes are not 'GGUF').")
    return ModelFiles(folder=path.parent, fingerprint=hash_files([path]), gguf=path.name)


def _instead(folder: Path, kind: Kind) -> str:
    """What the user may have meant by a folder that holds something else."""
    if kind == "adapter":
        return ""
    if (folder / MARKERS["adapter"]).is_file():
        base = read_json(folder / MARKERS["adapter"]).get("base_model_name_or_path") or "BASE"
        return f" It is an adapter: use --model hf:{base} --model-args adapter={folder}"
    if found := sorted(folder.glob("*.gguf")):
        return f" Name the GGUF file itself: hf:{found[0]}"
    return ""


def _from_hub(target: str, revision: str | None, kind: Kind) -> ModelFiles:
    folder = _snapshot(target, revision, SMALL, kind)
    if not (folder / MARKERS[kind]).is_file():
        raise UsageError(f"The repository '{target}' holds no {kind}: it has no {MARKERS[kind]}.")
    read_json(folder / MARKERS[kind])
    return ModelFiles(
        folder=folder,
        fingerprint=f"commit:{folder.name}",
        kind=kind,
        repository=target,
        revision=folder.name,
        license=_license(folder),
    )


def _snapshot(repository: str, revision: str | None, patterns: Sequence[str], kind: Kind) -> Path:
    from huggingface_hub import snapshot_download
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            hidden = patterns is SMALL or not sys.stderr.isatty()
            super().__init__(*arguments, **options | {"disable": hidden})

    try:
        return Path(
            snapshot_download(
                repository,
                revision=revision,
                allow_patterns=[*patterns],
                ignore_patterns=[*_DEEPER] if patterns is SMALL else ["*/*"],
                tqdm_class=Bar,
            )
        )
    except Exception as error:
        raise hub_failure(error, f"{kind} '{repository}'", revision=revision) from error


def _missing_weights(files: ModelFiles, name: str) -> HubError:
    """Why weights are not there: out of reach and not in the cache, or not in the repository."""
    from huggingface_hub import hf_hub_download

    what = f"{files.kind} '{files.repository}'"
    try:
        hf_hub_download(str(files.repository), name, revision=files.revision)
    except Exception as error:
        return hub_failure(error, what, revision=files.revision)
    return HubError(
        f"The weights of {what} came incompletely.",
        repo=files.repository,
        hint="Run the command again.",
        code="hub-damaged",
    )


def _license(folder: Path) -> str | None:
    """The licence in the front matter of the model's card; several are separated by commas."""
    import yaml

    card = folder / "README.md"
    if not card.is_file():
        return None
    try:  # some versions of huggingface_hub do not see past a byte order mark
        front = _FRONT_MATTER.match(card.read_text(encoding="utf-8-sig"))
        stated = yaml.safe_load(front[1]) if front else None
    except (OSError, ValueError, RecursionError, yaml.YAMLError):  # in any state
        return None
    named = stated.get("license") if isinstance(stated, dict) else None
    every = [one.strip() for one in (named if isinstance(named, list) else [named])
             if isinstance(one, str)]  # fmt: skip
    return ", ".join(filter(None, every)) or None
