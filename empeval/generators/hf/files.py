"""Where a model's files are: a folder, a GGUF file or a snapshot of a hub repository."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from empeval.errors import UsageError
from empeval.hub import hub_failure

SMALL = ("*.json", "*.model", "*.txt", "*.jinja")
WEIGHTS = ("*.safetensors",)
OLD_WEIGHTS = ("pytorch_model*.bin",)
_READ = ("*.safetensors", "*.bin", "*.gguf", *SMALL)


class ModelFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A model's files.

    Attributes:
        folder: local folder with at least configuration and tokenizer.
        fingerprint: ``commit:<sha>`` of a hub snapshot, ``sha256:<hex>`` of local files.
        gguf: the file's name inside ``folder``, when the model is a GGUF file.
        repository: hub id, when it came from the hub.
        license: as stated in the model's card, if at all.
    """

    folder: Path
    fingerprint: str
    gguf: str | None = None
    repository: str | None = None
    revision: str | None = None
    license: str | None = None


def looks_local(target: str) -> bool:
    """Whether a target is meant as a path rather than a hub id."""
    return (
        os.path.exists(target)
        or target.startswith((".", "/", "~", "\\"))
        or target.endswith((".gguf", "/", "\\"))
        or target.count("/") > 1
        or os.path.isabs(target)
    )


def find_files(target: str, revision: str | None, marker: str = "config.json") -> ModelFiles:
    """Find a model; from the hub only the small files are fetched.

    Args:
        target: folder, ``.gguf`` file or hub id.
        revision: branch, tag or commit of a hub repository.
        marker: the file that tells a model (``adapter_config.json``: an adapter).

    Raises:
        UsageError: a path that holds no model. HubError: the hub does not give it.
    """
    if not looks_local(target):
        return _from_hub(target, revision, marker)
    path = Path(target).expanduser()
    if revision is not None:
        raise UsageError(f"'revision' goes with a hub id; {target} is local.")
    if path.suffix == ".gguf":
        if not path.is_file():
            raise UsageError(f"There is no file {target}.")
        with open(path, "rb") as file:
            if file.read(4) != b"GGUF":
                raise UsageError(f"{target} is no GGUF file (its first bytes are not 'GGUF').")
        return ModelFiles(folder=path.parent, fingerprint=hash_files([path]), gguf=path.name)
    if not path.is_dir():
        raise UsageError(
            f"There is no model folder {target}."
            if not path.exists()
            else f"{target} is a file; 'hf:' takes a model folder, a .gguf file or a hub id."
        )
    if not (path / marker).is_file():
        raise UsageError(f"{target} is no model folder: it has no {marker}.")
    _check_json(path / marker)
    _check_weights(path)
    files = sorted({f for pattern in _READ for f in path.glob(pattern) if f.is_file()})
    return ModelFiles(folder=path, fingerprint=hash_files(files), license=_license(path))


def fetch_weights(files: ModelFiles) -> Path:
    """Fetch a hub model's weights into its snapshot; returns the folder to load.

    Raises:
        HubError: they cannot be had.
    """
    if files.repository is None:
        return files.folder
    folder = _snapshot(files.repository, files.revision, (*SMALL, *WEIGHTS))
    if not any(folder.glob("*.safetensors")):
        folder = _snapshot(files.repository, files.revision, (*SMALL, *OLD_WEIGHTS))
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


def read_config(files: ModelFiles) -> dict[str, Any]:
    """``config.json`` of a model; empty for a GGUF file."""
    path = files.folder / "config.json"
    if files.gguf is not None or not path.is_file():
        return {}
    return _check_json(path)


def _from_hub(target: str, revision: str | None, marker: str) -> ModelFiles:
    folder = _snapshot(target, revision, SMALL)
    if not (folder / marker).is_file():
        raise UsageError(f"The repository '{target}' holds no model: it has no {marker}.")
    return ModelFiles(
        folder=folder,
        fingerprint=f"commit:{folder.name}",
        repository=target,
        revision=folder.name,
        license=_license(folder),
    )


def _snapshot(repository: str, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    patterns = [*patterns, "README.md"]
    try:
        return Path(
            snapshot_download(
                repository, revision=revision, allow_patterns=patterns, tqdm_class=None
            )
        )
    except Exception as error:
        raise hub_failure(error, f"model '{repository}'", revision=revision) from error


def _check_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(value, dict):
        raise UsageError(f"{path} holds no JSON object.")
    return value


def _check_weights(folder: Path) -> None:
    """Notice missing and cut-off weights before anything is loaded or written."""
    tensors = sorted(folder.glob("*.safetensors"))
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        named = set(_check_json(index).get("weight_map", {}).values())
        missing = sorted(named - {t.name for t in tensors})
        if missing:
            raise UsageError(f"{folder} lacks weights that its index names: {', '.join(missing)}.")
    if not tensors and not any(folder.glob("pytorch_model*.bin")):
        raise UsageError(f"{folder} is no model folder: it has no weights (*.safetensors).")
    for path in tensors:
        size = path.stat().st_size
        with open(path, "rb") as file:
            head = file.read(8)
            length = struct.unpack("<Q", head)[0] if len(head) == 8 else size
            try:
                header = json.loads(file.read(length)) if length < min(size, 1 << 28) else None
            except ValueError:
                header = None
        if not isinstance(header, dict):
            raise UsageError(f"{path} is no safetensors file; copy the model again.")
        ends = [t["data_offsets"][1] for n, t in header.items() if n != "__metadata__"]
        if 8 + length + max(ends, default=0) != size:
            raise UsageError(f"{path} is cut off or damaged; copy the model again.")


def _license(folder: Path) -> str | None:
    """The licence in the front matter of the model's card."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    lines = card.read_text(encoding="utf-8", errors="replace").splitlines()[:200]
    if not lines or lines[0].strip() != "---":
        return None
    for line in lines[1:]:
        if line.strip() == "---":
            break
        if line.startswith("license:"):
            return line.partition(":")[2].strip().strip("'\"") or None
    return None
