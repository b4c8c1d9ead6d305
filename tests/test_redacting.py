"""Keys, tokens and passwords reach no file and no message of a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import finish, start
from support.distributions import make_distribution

import empeval
from empeval import Run
from empeval.redacting import redact

SECRET = "s3cr3tBanana"

ASKING = '''
from empeval import Generator, ModelCard, Response

class Asking(Generator):
    """A model behind a key."""

    summary = "asking"

    def __init__(self, target, *, api_key="", base_url="", fail="", seed="0"):
        self.target, self.key, self.url, self.fail = target, api_key, base_url, fail

    @property
    def card(self):
        return ModelCard(name=f"asked at {self.url}", fingerprint="asking",
                         details={"headers": {"Authorization": f"Bearer {self.key}"}})

    def prepare(self, items):
        return [f"asking {self.url} with {self.key}"]

    def runtime(self):
        return {"url": self.url, "api_key": self.key}

    def generate(self, items, sampling):
        for item in items:
            if self.fail == "answer":
                yield Response(item.id, "", status="error", note=f"401 for key {self.key}")
            elif self.fail == "run":
                raise RuntimeError(f"401 at {self.url}: key {self.key}")
            else:
                yield Response(item.id, "Oh.")
'''


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = make_distribution(
        tmp_path_factory.mktemp("site"),
        "asking",
        points={"empeval.generators": {"asking": "asking:Asking"}},
    )
    (made / "asking.py").write_text(ASKING)
    return made


def everything(folder: Path) -> bytes:
    return b"".join(p.read_bytes() for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("fail", ["", "answer", "run"])
def test_a_secret_is_in_no_file_and_no_message(site, tmp_path, fail):
    url = f"https://user:{SECRET}@host.example/v1"
    asked = ("run", "--model", f"asking:{url}", "--tasks", "ed-mini", "--limit", "2",
             "--scorers", "surface", "--out", "run",
             "--model-args", f"api_key={SECRET},base_url={url},fail={fail}")  # fmt: skip
    done = finish(start(*asked, folder=tmp_path, path=[site]))
    assert done.code == (1 if fail else 0), done.err
    written = everything(tmp_path / "run")
    assert b"host.example" in written
    assert SECRET.encode() not in written
    assert SECRET not in done.out + done.err
    assert "***" in done.err
    if fail == "answer":
        assert Run(tmp_path / "run").responses("ed-mini")[0].note == "401 for key ***"


def test_another_key_is_the_same_run_spec(site, tmp_path, install):
    install(site)
    options = {"tasks": ["ed-mini"], "scorers": ["surface"], "limit": 2, "out": tmp_path / "run"}

    def ask(**arguments):
        return empeval.run("asking:x", model_args=arguments, **options)

    first = ask(api_key="first-key-1", base_url="https://a:first-pw@host.example")
    answers = first.responses("ed-mini")
    ask(api_key="other-key-2", base_url="https://b:other-pw@host.example")
    ask(base_url="https://host.example")
    assert Run(first.path).responses("ed-mini") == answers
    with pytest.raises(empeval.RunFolderError, match="another run spec"):
        ask(base_url="https://other.example")


def test_a_secret_of_an_older_run_folder_is_shown_nowhere(cli, tmp_path):
    empeval.run("human:", ["ed-mini"], ["surface"], limit=2, out=tmp_path / "run")
    file = tmp_path / "run" / "run.json"
    manifest = json.loads(file.read_text())
    manifest["model"] |= {"uri": f"x:https://u:{SECRET}@h", "arguments": {"token": SECRET}}
    file.write_text(json.dumps(manifest))
    for command in (("show", "run"), ("show", "run", "--format", "json"),
                    ("runs", "list", "--runs", ".")):  # fmt: skip
        found = cli(*command)
        assert found.code == 0
        assert SECRET not in found.out + found.err
    assert cli("report", "run", "-o", "r.html").code == 0
    assert SECRET not in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("https://me:pa55word@host/v1?x=1", "https://***@host/v1?x=1"),
        ("postgres://me:p@ss@host", "postgres://***@host"),
        ("https://host/v1?api_key=abc&n=1", "https://host/v1?api_key=***&n=1"),
        ("api_key=a\\,b,seed=3", "api_key=***,seed=3"),
        ("{'token': 'a b', \"Password\": \"x\"}", "{'token': '***', \"Password\": \"***\"}"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer ***"),
        ("MY_API_KEY=zzz HF_TOKEN=q", "MY_API_KEY=*** HF_TOKEN=***"),
        ("hf_" + "a" * 30, "***"),
        ("401 for ghp_" + "b1" * 15, "401 for ***"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text, hidden):
    assert redact(text) == hidden
    assert redact(hidden) == hidden


@pytest.mark.parametrize(
    "text",
    [
        "max_tokens=24, prompt_tokens: 3, eos_token=</s>, token_count=5",
        "--model-args: 'x' is not of the form key=value.",
        "hf:org/name@revision answers to someone@host.example",
        "https://host.example/a@b",
        "the bearer of bad news, and 2 tokens: 5",
        "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    ],
)
def test_what_is_no_secret_stays(text):
    assert redact(text) == text


def test_a_secret_of_the_environment_is_hidden(monkeypatch):
    monkeypatch.setenv("SOME_API_KEY", "not-by-its-shape")
    assert redact("failed for not-by-its-shape!") == "failed for ***!"
