"""Small wheels that pip accepts, with model files in them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path


def make_wheel(directory: Path, members: dict[str, bytes], name: str = "tiny-wheel") -> Path:
    """Write ``tiny-wheel==1.0``, or another of that version, with these files in it."""
    directory.mkdir(parents=True, exist_ok=True)
    stem = f"{name.replace('-', '_')}-1.0"
    wheel = directory / f"{stem}-py3-none-any.whl"
    info = {
        "METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
        for path, text in info.items():
            archive.writestr(f"{stem}.dist-info/{path}", text)
    return wheel


def make_zip(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """The bytes of a zip file with these members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return out.getvalue()
