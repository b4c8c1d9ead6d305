from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from support.hub_server import TOKEN, Hub

PARQUET = "refs/convert/parquet"
DEAD = {"HF_ENDPOINT": "http://127.0.0.1:1"}
LOAD = """
import json, sys, time
from empeval import EmpevalError, load_rows
time.sleep = lambda seconds: None  # huggingface_hub waits between its tries
outcomes = []
for name, files, revision in json.loads(sys.argv[1]):
    try:
        outcomes.append(load_rows(name, files, revision=revision))
    except EmpevalError as error:
        outcomes.append(f"{type(error).__name__}: {error}")
print(json.dumps(outcomes))
"""


def load_each(hub: Hub, requests: list[tuple], **settings: str) -> list[Any]:
    """Rows, or the error as text, of each (name, files, revision); in a new process."""
    done = hub.python(LOAD, json.dumps(requests), **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def load(hub: Hub, name: str, *files: str, revision: str | None = None, **settings: str) -> Any:
    return load_each(hub, [(name, files, revision)], **settings)[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of two Parquet files and one of CSV."""
    made = tmp_path / "repository"
    (made / "default" / "test").mkdir(parents=True)
    for number in range(2):
        table = pyarrow.table({"n": list(range(200 * number, 200 * number + 200))})
        pyarrow.parquet.write_table(table, made / "default" / "test" / f"000{number}.parquet")
    (made / "small.csv").write_text("n\n1\n2\n")
    return made


SMALL = [{"n": "1"}, {"n": "2"}]


def test_all_files_of_a_revision_are_read_and_downloaded_once(hub: Hub, folder: Path):
    hub.add_dataset("org/set", folder, revision=PARQUET)
    request = ("org/set", ["test.csv", "*/test/*.parquet"], PARQUET)
    everything = [{"n": n} for n in range(400)]
    assert load_each(hub, [request, request]) == [everything, everything]
    files = [request for request in hub.requests if request.startswith("GET /datasets/")]
    assert len(files) == 2


def test_what_was_downloaded_once_is_read_without_the_hub(hub: Hub, folder: Path):
    hub.add_dataset("org/set", folder)
    assert load(hub, "org/set", "small.csv") == SMALL
    asked = len(hub.requests)
    assert load(hub, "org/set", "none.csv", "small.csv", HF_HUB_OFFLINE="1") == SMALL
    assert load(hub, "org/set", "small.csv", **DEAD) == SMALL
    assert len(hub.requests) == asked


def test_half_of_the_files_in_the_cache_do_not_pass_for_all(hub: Hub, folder: Path):
    hub.add_dataset("org/set", folder)
    hub.faults["0001.parquet"] = "short"
    assert "HubError" in load(hub, "org/set", "default/test/*.parquet")
    offline = load(hub, "org/set", "default/test/*.parquet", HF_HUB_OFFLINE="1")
    assert "HF_HUB_OFFLINE is set" in offline


def test_the_mirror_goes_before_the_hub_and_the_hub_has_what_it_lacks(
    hub: Hub, folder: Path, tmp_path: Path
):
    mirror = tmp_path / "mirror" / "org" / "set"
    mirror.mkdir(parents=True)
    (mirror / "small.csv").write_text("n\nlocal\n")
    hub.add_dataset("org/set", folder)
    hub.add_dataset("org/other", folder)
    local, remote = load_each(
        hub,
        [("org/set", ["small.csv"], None), ("org/other", ["small.csv"], None)],
        EMPEVAL_DATA=str(tmp_path / "mirror"),
    )
    assert local == [{"n": "local"}]
    assert remote == SMALL
    assert not any("org/set" in request for request in hub.requests)


def test_when_mirror_and_hub_both_fail_the_error_names_both_and_the_ways_out(
    hub: Hub, tmp_path: Path
):
    (tmp_path / "org" / "set").mkdir(parents=True)
    (tmp_path / "org" / "set" / "other.csv").write_text("n\n")
    requests = [("org/set", ["small.csv"], None), ("org/absent", ["small.csv"], None)]
    lacking, absent = load_each(hub, requests, EMPEVAL_DATA=str(tmp_path), **DEAD)
    assert f"{tmp_path / 'org' / 'set'} has other.csv" in lacking
    assert f"'org/absent' (not in {tmp_path})" in absent
    for message in (lacking, absent):
        assert message.startswith("HubError: The hub (http://127.0.0.1:1) cannot be reached")
        for way in ("--data-dir", "EMPEVAL_DATA", "eqbench-mini", "ed-mini"):
            assert way in message


def test_what_does_not_exist_is_named_with_what_to_do(hub: Hub, folder: Path):
    hub.add_dataset("org/set", folder)
    repository, name, revision, file = load_each(
        hub,
        [
            ("org/typo", ["small.csv"], None),
            ("no//name!", ["small.csv"], None),
            ("org/set", ["small.csv"], "v9"),
            ("org/set", ["a.csv", "b/*.csv"], None),
        ],
    )
    assert f"The hub ({hub.url}) has no data set 'org/typo', or it is private." in repository
    assert "it takes org/name" in name
    assert "Data set 'org/set' has no revision 'v9'" in revision
    assert "has no file a.csv or b/*.csv on the hub" in file
    assert "default/test/0000.parquet, default/test/0001.parquet, small.csv" in file


def test_a_gated_repository_says_where_to_accept_its_terms(hub: Hub, folder: Path):
    hub.add_dataset("org/set", folder, gated=True)
    for token in ({}, {"HF_TOKEN": "hf_of_somebody_else"}):
        message = load(hub, "org/set", "small.csv", **token)
        assert f"accept its terms on {hub.url}/datasets/org/set and set HF_TOKEN" in message
    assert load(hub, "org/set", "small.csv", HF_TOKEN=TOKEN) == SMALL


def test_a_broken_download_says_so_and_the_next_run_repairs_it(hub: Hub, tmp_path: Path):
    complaints = {
        "cut": "broke off or came with a wrong length",
        "short": "broke off or came with a wrong length",
        "altered": "arrived damaged",
    }
    files = tmp_path / "files"
    files.mkdir()
    for fault in complaints:  # the hub keeps small and large files differently
        (files / f"{fault}.csv").write_text("n\n1\n2\n")
        (files / f"{fault}.csv.gz").write_bytes(gzip.compress(f"n\n1\n{fault}\n".encode()))
    hub.faults = {path.name: path.name.split(".")[0] for path in files.iterdir()}
    hub.add_dataset("org/files", files)
    requests = [("org/files", [name], None) for name in sorted(hub.faults)]
    for (_, [name], _), message in zip(requests, load_each(hub, requests), strict=True):
        assert complaints[name.split(".")[0]] in message
        assert "Run the command again" in message
    hub.faults = {}
    for rows in load_each(hub, requests):
        assert rows[0] == {"n": "1"}


def test_a_connection_that_is_cut_once_does_no_harm(hub: Hub, folder: Path):
    hub.add_dataset("org/set", folder)
    hub.faults["0000.parquet"] = "cut once"
    assert len(load(hub, "org/set", "default/test/*.parquet")) == 400


def test_a_refusal_by_status_is_put_in_words(hub: Hub, folder: Path):
    complaints = {
        203: "does not answer as a hub does",
        403: "does not let this account read data set 'org/403' (status 403); set HF_TOKEN",
        404: "does not answer as a hub does",
        429: "takes no more requests for data set 'org/429' just now",
        503: "cannot serve data set 'org/503' (status 503)",
    }
    for status in complaints:
        hub.add_dataset(f"org/{status}", folder, status=status)
    messages = load_each(hub, [(f"org/{status}", ["small.csv"], None) for status in complaints])
    for complaint, message in zip(complaints.values(), messages, strict=True):
        assert complaint in message


MODEL = """
import json, sys
from pathlib import Path
from support.tiny_model import make_tiny_model
from transformers import AutoModelForCausalLM, AutoTokenizer
from empeval.data import hub_failure

make_tiny_model(Path(sys.argv[1]))
answers = []
for source in (sys.argv[1], "org/tiny"):
    tokenizer = AutoTokenizer.from_pretrained(source)
    prompt = tokenizer("a b c", return_tensors="pt")
    model = AutoModelForCausalLM.from_pretrained(source)
    answer = model.generate(**prompt, max_new_tokens=4, do_sample=False)[0]
    answers.append(tokenizer.decode(answer))
failures = []
for name in ("org/absent", "org/gated"):
    try:
        AutoTokenizer.from_pretrained(name)
    except Exception as error:
        failures.append(str(hub_failure(error, f"model '{name}'")))
print(json.dumps([answers, failures]))
"""


def test_models_are_served_too_and_their_failures_are_put_in_words(hub: Hub, tmp_path: Path):
    hub.add_model("org/tiny", tmp_path / "tiny")
    hub.add_model("org/gated", tmp_path / "tiny", gated=True)
    done = hub.python(MODEL, str(tmp_path / "tiny"))
    assert done.returncode == 0, done.stderr
    (local, remote), (absent, gated) = json.loads(done.stdout)
    assert local == remote
    assert local.startswith("a b c")
    assert any("model.safetensors" in request for request in hub.requests)
    assert f"The hub ({hub.url}) has no model 'org/absent', or it is private" in absent
    assert f"accept its terms on {hub.url}/org/gated and set HF_TOKEN" in gated
