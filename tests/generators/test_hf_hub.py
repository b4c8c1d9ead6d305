"""``hf:org/name`` fetches a model from the hub, or says why it cannot."""

from __future__ import annotations

import json
import shutil

import pytest
from support.command import finish, start
from support.hub_server import TOKEN
from support.tiny_models import make_random_model, make_scripted_model

DEAD = {"HF_ENDPOINT": "http://127.0.0.1:1"}
FETCH = """
import json, sys, time
from empeval import EmpevalError
from empeval.generators.hf.files import fetch_weights, find_files
time.sleep = lambda seconds: None  # huggingface_hub waits between its tries
outcomes = []
for name, revision, kind, weights in json.loads(sys.argv[1]):
    try:
        files = find_files(name, revision, kind)
        folder = fetch_weights(files) if weights else files.folder
        found = [p.relative_to(folder) for p in folder.rglob("*") if not p.is_dir()]
        outcomes.append([files.fingerprint, sorted(p.as_posix() for p in found)])
    except EmpevalError as error:
        outcomes.append(f"{type(error).__name__}: {error}")
assert "torch" not in sys.modules
print(json.dumps(outcomes))
"""


def fetch_each(hub, *requests, **settings):
    """[fingerprint, files] or the error of each (name, options), in one new process."""
    asked = [
        (name, o.get("revision"), o.get("kind", "model"), o.get("weights", True))
        for name, o in requests
    ]
    done = hub.python(FETCH, json.dumps(asked), **settings)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def fetch(hub, name, *, settings=None, **options):
    return fetch_each(hub, (name, options), **(settings or {}))[0]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A scripted model that answers the end of a plain prompt."""
    folder = tmp_path_factory.mktemp("made")
    make_scripted_model(folder, {":": [" I", " see", ".", "\n", "User:"]}, window=4096)
    return folder


@pytest.fixture
def folder(made, tmp_path):
    """A repository of it, with much that is not needed."""
    copy = shutil.copytree(made, tmp_path / "repository")
    (copy / "README.md").write_text("---\nlicense: mit\n---\n")
    for name in ("pytorch_model.bin", "original.pth", "onnx/model.safetensors", "old/a.json"):
        (copy / name).parent.mkdir(exist_ok=True)
        (copy / name).write_bytes(b"not needed")
    return copy


NEEDED = [
    "README.md",
    "config.json",
    "generation_config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
]
SMALL = [name for name in NEEDED if name != "model.safetensors"]


def test_only_what_is_needed_is_fetched_and_the_weights_last(hub, folder):
    hub.add_model("org/tiny", folder)
    commit = f"commit:{hub.repositories[0].commit}"
    small, all_of_it = fetch_each(
        hub, ("org/tiny", {"weights": False}), ("org/tiny", {"weights": True})
    )
    assert small == [commit, SMALL]
    assert all_of_it == [commit, NEEDED]


def test_chat_templates_beside_the_model_s_own_are_fetched_with_the_small_files(
    hub, folder, tmp_path
):
    several = shutil.copytree(folder, tmp_path / "several")
    more = several / "additional_chat_templates"
    more.mkdir()
    (more / "rag.jinja").write_text("{{ messages[0].content }}")
    (more / "notes.md").write_text("not needed")
    hub.add_model("org/several", several)
    (small,) = fetch_each(hub, ("org/several", {"weights": False}))
    assert small[1] == sorted(["additional_chat_templates/rag.jinja", *SMALL])


def test_a_revision_is_pinned_to_its_commit(hub, folder, tmp_path):
    other = shutil.copytree(folder, tmp_path / "other")
    (other / "config.json").write_text(json.dumps({"model_type": "llama"}))
    hub.add_model("org/tiny", folder)
    hub.add_model("org/tiny", other, revision="v2")
    commits = [repository.commit for repository in hub.repositories]
    requests = [("org/tiny", {"revision": r}) for r in (None, "main", "v2", commits[1])]
    fingerprints = [outcome[0] for outcome in fetch_each(hub, *requests)]
    assert fingerprints == [f"commit:{commits[index]}" for index in (0, 0, 1, 1)]


def test_weights_in_shards_and_old_ones_are_found(hub, tmp_path):
    sharded, old = tmp_path / "sharded", tmp_path / "old"
    make_random_model(old)
    (old / "model.safetensors").rename(old / "pytorch_model.bin")
    make_random_model(sharded).save_pretrained(sharded, max_shard_size="40KB")
    (sharded / "model.safetensors").unlink(missing_ok=True)
    (sharded / "consolidated.safetensors").write_bytes(b"the same once more")
    hub.add_model("org/sharded", sharded)
    hub.add_model("org/old", old)
    shards, pickled = fetch_each(hub, ("org/sharded", {}), ("org/old", {}))
    found = [name for name in shards[1] if name.endswith(".safetensors")]
    assert found == sorted(path.name for path in sharded.glob("model-*.safetensors"))
    assert len(found) > 1
    assert "pytorch_model.bin" in pickled[1]


def test_an_adapter_is_fetched_like_a_model(hub, tmp_path):
    from peft import LoraConfig, get_peft_model

    model = make_random_model(tmp_path / "base")
    get_peft_model(model, LoraConfig(target_modules=["q_proj"])).save_pretrained(tmp_path / "lora")
    hub.add_model("org/lora", tmp_path / "lora")
    as_adapter, as_model = fetch_each(hub, ("org/lora", {"kind": "adapter"}), ("org/lora", {}))
    assert "adapter_model.safetensors" in as_adapter[1]
    assert as_model == (
        "UsageError: The repository 'org/lora' holds no model: it has no config.json."
    )


def test_what_is_not_there_or_not_allowed_is_said_in_a_sentence(hub, folder, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    (bare / "config.json").write_text("{}")
    hub.add_model("org/tiny", folder)
    hub.add_model("org/gated", folder, gated=True)
    hub.add_model("org/bare", bare)
    missing, revision, gated, weightless = fetch_each(
        hub,
        ("org/nothing", {}),
        ("org/tiny", {"revision": "v9"}),
        ("org/gated", {}),
        ("org/bare", {}),
    )
    assert missing.startswith(f"HubError: The hub ({hub.url}) has no model 'org/nothing'")
    assert revision.startswith("HubError: Model 'org/tiny' has no revision 'v9'")
    assert gated.startswith("HubError: Model 'org/gated' is gated: accept its terms on")
    assert weightless.startswith("HubError: Model 'org/bare' lacks a file that is needed")
    allowed = fetch(hub, "org/gated", settings={"HF_TOKEN": TOKEN})
    assert allowed[1] == NEEDED


@pytest.mark.parametrize("fault", ["cut", "short", "altered"])
def test_a_broken_download_is_an_error_and_the_next_one_is_whole(hub, folder, fault):
    hub.add_model("org/tiny", folder)
    hub.faults["model.safetensors"] = fault
    assert fetch(hub, "org/tiny").startswith("HubError: The download of model 'org/tiny'")
    hub.faults.clear()
    assert fetch(hub, "org/tiny")[1] == NEEDED
    weights = hub.home.rglob("snapshots/*/model.safetensors")
    assert [path.read_bytes() for path in weights] == [(folder / "model.safetensors").read_bytes()]


def test_what_was_fetched_once_needs_no_hub(hub, folder):
    hub.add_model("org/tiny", folder)
    before = fetch(hub, "org/tiny")
    asked = len(hub.requests)
    assert fetch(hub, "org/tiny", settings={"HF_HUB_OFFLINE": "1"}) == before
    assert fetch(hub, "org/tiny", settings=DEAD) == before
    assert len(hub.requests) == asked


def test_without_a_hub_the_way_out_is_named_in_one_line(hub, folder):
    hub.add_model("org/tiny", folder)
    assert fetch(hub, "org/tiny", weights=False)[1] == SMALL
    for settings, reason in [
        ({"HF_HUB_OFFLINE": "1"}, "HF_HUB_OFFLINE is set and model"),
        (DEAD, "cannot be reached for model"),
    ]:
        weightless, unknown = fetch_each(hub, ("org/tiny", {}), ("org/other", {}), **settings)
        for error, name in [(weightless, "org/tiny"), (unknown, "org/other")]:
            assert error.startswith("HubError: ")
            assert f"{reason} '{name}'" in error or f"{reason} '{name}'".capitalize() in error
            assert "packag" in error.split(name)[1]
            assert "\n" not in error


def run(cwd, *more, **settings):
    arguments = ["--tasks", "ed-mini", "--scorers", "surface", "--limit", "2", "--out", "run"]
    return finish(start("run", *arguments, *more, folder=cwd, **settings))


def test_a_run_from_the_hub_end_to_end(hub, folder, tmp_path):
    hub.add_model("org/tiny", folder, revision="v1")
    model = ["--model", "hf:org/tiny", "--model-args", "revision=v1,device=cpu,chat_template=plain"]
    dry = run(tmp_path, *model, "--dry-run")
    assert (dry.code, dry.err) == (0, "")
    assert "prompt_format: plain-1" in dry.out
    assert not any("model.safetensors" in request for request in hub.requests)
    assert not (tmp_path / "run").exists()
    done = run(tmp_path, *model)
    assert (done.code, done.err) == (0, "")
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["model"]["fingerprint"] == f"commit:{hub.repositories[0].commit}"
    assert (manifest["model"]["name"], manifest["model"]["license"]) == ("org/tiny", "mit")
    lines = (tmp_path / "run" / "responses" / "ed-mini.jsonl").read_text().splitlines()
    answers = [json.loads(line) for line in lines]
    assert {(a["response"], a["status"], a["stop"]) for a in answers} == {
        ("I see.", "ok", "\nUser:")
    }


def test_a_run_without_a_hub_writes_nothing(hub, tmp_path):
    failed = run(tmp_path, "--model", "hf:org/tiny", HF_HUB_OFFLINE="1")
    assert failed.code == 1
    assert failed.err.startswith("error: HF_HUB_OFFLINE is set and model 'org/tiny' is not in")
    assert failed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
