"""A hub on the loopback interface: enough of the Hugging Face hub's HTTP API to download from.

It serves folders as repositories and can be told to misbehave. The client under test runs in a
process of its own (``Hub.python``), because huggingface_hub reads its settings on import.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

Fault = Literal["cut", "cut once", "short", "altered"]
"""What happens to a file's download: the connection is cut in the middle (always, or the first
time only), the answer is shorter than announced, or its bytes are not those announced."""

TOKEN = "hf_accepted"
LARGE = (".parquet", ".safetensors", ".gz")
ROOT = Path(__file__).resolve().parents[2]
_API = re.compile(
    r"/api/(models|datasets)/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(.*))?"
)
_FILE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """One revision of a repository: every file below a folder.

    With a ``status`` other than 200 that is all it answers.
    """

    kind: str
    name: str
    folder: Path
    revision: str = "main"
    gated: bool = False
    status: int = 200

    @property
    def commit(self) -> str:
        listed = "".join(f"{f['path']} {f['oid']}\n" for f in self.files())
        return hashlib.sha1(f"{self.kind} {self.name} {listed}".encode()).hexdigest()

    def files(self) -> list[dict]:
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return [self.describe(path) for path in paths]

    def describe(self, path: Path) -> dict:
        data = path.read_bytes()
        entry = {
            "type": "file",
            "path": path.relative_to(self.folder).as_posix(),
            "size": len(data),
            "oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest(),
        }
        if path.name.endswith(LARGE):
            sha256 = hashlib.sha256(data).hexdigest()
            entry["lfs"] = {"oid": sha256, "size": len(data), "pointerSize": 130}
        return entry


class Hub:
    """The server; ``url`` is what HF_ENDPOINT should be.

    Attributes:
        faults: file name -> what goes wrong with its download.
        requests: "METHOD path" of every request so far.
    """

    def __init__(self, home: Path) -> None:
        self.repositories: list[Repository] = []
        self.faults: dict[str, Fault] = {}
        self.requests: list[str] = []
        self.home = home
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self.server.hub = self  # type: ignore[attr-defined]
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def add_dataset(self, name: str, folder: Path, **options) -> None:
        self.repositories.append(Repository("datasets", name, folder, **options))

    def add_model(self, name: str, folder: Path, **options) -> None:
        self.repositories.append(Repository("models", name, folder, **options))

    def settings(self) -> dict[str, str]:
        """Environment variables for a process that should use this hub and no other."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(self.home)}

    def python(self, code: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess:
        """Run code in a new interpreter against this hub."""
        folders = [str(ROOT / folder) for folder in (".", "plugins", "tasks", "tests")]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("HF_", "EMPEVAL_"))}
        quiet = {"HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
        return subprocess.run(
            [sys.executable, "-c", code, *arguments],
            env=clean
            | quiet
            | self.settings()
            | {"PYTHONPATH": os.pathsep.join(folders)}
            | settings,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args) -> None:
        pass

    def do_GET(self) -> None:
        self._route()

    def do_HEAD(self) -> None:
        self._route()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._route(body)

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined]

    def _route(self, body: bytes = b"") -> None:
        self.hub.requests.append(f"{self.command} {self.path}")
        path = urlsplit(self.path).path
        if match := _API.fullmatch(path):
            kind, name, verb, revision, rest = match.groups()
            if repository := self._find(kind, name, revision or "main"):
                self._api(repository, verb, unquote(rest or "").strip("/"), body)
        elif match := _FILE.fullmatch(path):
            kind, name, revision, file = match.groups()
            repository = self._find("datasets" if kind else "models", name, revision)
            if repository:
                self._resolve(repository, unquote(file))
        else:
            self._answer(404, b"")

    def _find(self, kind: str, name: str, revision: str) -> Repository | None:
        revisions = [r for r in self.hub.repositories if (r.kind, r.name) == (kind, name)]
        for repository in revisions:
            if unquote(revision) in (repository.revision, repository.commit):
                if repository.status == 200:
                    return repository
                self._answer(repository.status, b"")
                return None
        if revisions:
            self._refuse(404, "RevisionNotFound", "Invalid rev id")
        else:
            self._refuse(401, "RepoNotFound", "Repository not found")
        return None

    def _api(self, repository: Repository, verb: str | None, rest: str, body: bytes) -> None:
        files = repository.files()
        if verb == "tree":
            inside = [f for f in files if not rest or f["path"].startswith(f"{rest}/")]
            if rest and not inside:
                self._refuse(404, "EntryNotFound", f"{rest} does not exist")
                return
            self._json(inside)
        elif verb == "paths-info":
            asked = parse_qs(body.decode()).get("paths", [])
            if self.headers.get("Content-Type", "").startswith("application/json"):
                asked = json.loads(body)["paths"]
            self._json([f for f in files if f["path"] in asked])
        else:
            siblings = [
                {"rfilename": f["path"], "size": f["size"], "blobId": f["oid"]}
                | ({"lfs": f["lfs"] | {"sha256": f["lfs"]["oid"]}} if "lfs" in f else {})
                for f in files
            ]
            self._json(
                {
                    "_id": "0" * 24,
                    "id": repository.name,
                    "sha": repository.commit,
                    "private": False,
                    "gated": "manual" if repository.gated else False,
                    "disabled": False,
                    "downloads": 0,
                    "likes": 0,
                    "tags": [],
                    "siblings": siblings,
                }
            )

    def _resolve(self, repository: Repository, name: str) -> None:
        if repository.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            status = 403 if "Authorization" in self.headers else 401
            self._refuse(status, "GatedRepo", f"Access to {repository.name} is restricted.")
            return
        path = repository.folder / name
        commit = {"X-Repo-Commit": repository.commit}
        if not path.is_file():
            self._refuse(404, "EntryNotFound", f"{name} does not exist", commit)
            return
        entry = repository.describe(path)
        tags = {"ETag": f'"{entry["oid"]}"'}
        if "lfs" in entry:
            sha256 = entry["lfs"]["oid"]
            tags = {"X-Linked-ETag": f'"{sha256}"', "X-Linked-Size": str(entry["size"])}
        self._file(path, commit | tags)

    def _file(self, path: Path, headers: dict[str, str]) -> None:
        data, status = path.read_bytes(), 200
        whole = len(data)
        fault = self.hub.faults.get(path.name) if self.command == "GET" else None
        if fault == "altered":
            data = bytes(reversed(data))
        elif fault == "short":
            data = data[: whole // 2]
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if start and int(start[1]) >= whole:
            self._answer(416, b"", {"Content-Range": f"bytes */{whole}"})
            return
        if start:
            status, data = 206, data[int(start[1]) :]
            headers = headers | {"Content-Range": f"bytes {start[1]}-{whole - 1}/{whole}"}
        if fault == "cut once":
            del self.hub.faults[path.name]
        sent = data[: len(data) // 2] if fault in ("cut", "cut once") else data
        self._answer(status, sent, headers | {"Accept-Ranges": "bytes"}, announced=len(data))

    def _refuse(self, status: int, code: str, message: str, more: dict | None = None) -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        self._answer(status, json.dumps({"error": message}).encode(), headers | (more or {}))

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(
        self,
        status: int,
        body: bytes,
        headers: dict[str, str] | None = None,
        announced: int | None = None,
    ) -> None:
        length = len(body) if announced is None else announced
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
            self.close_connection = self.close_connection or length != len(body)
