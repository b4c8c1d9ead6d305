"""Small wheels that pip accepts, with model files in them."""

from __future__ import annotations

import zipfile
from pathlib import Path


def make_wheel(directory: Path, members: dict[str, bytes]) -> Path:
    """Write ``tiny-wheel==1.0`` with these files in it."""
    directory.mkdir(parents=True, exist_ok=True)
    wheel = directory / "tiny_wheel-1.0-py3-none-any.whl"
    info = {
        "METADATA": "Metadata-Version: 2.1\nName: tiny-wheel\nVersion: 1.0\n",
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(wheel, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
        for name, text in info.items():
            archive.writestr(f"tiny_wheel-1.0.dist-info/{name}", text)
    return wheel
