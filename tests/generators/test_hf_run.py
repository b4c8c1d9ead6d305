"""``empeval run --model hf:...`` from the command line."""

from __future__ import annotations

import json
import shutil

import pytest
from support.asking import ask, watch_forward
from support.tiny_models import byte_tokenizer, make_random_model, make_scripted_model

from empeval import HubError, packaged_model
from empeval.cli import main
from empeval.generators.hf import HuggingFace

THINKS = (
    "{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}[assistant]<think>{% endif %}"
)
SCRIPT = {">": ["They", " hurt.", "</think>", "\n\n", "So sorry", "!"]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model that thinks and then is sorry."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    make_scripted_model(folder, SCRIPT, window=4096, chat_template=THINKS)
    return folder


@pytest.fixture
def home(saved, tmp_path, monkeypatch):
    """An empty working folder with the model in it."""
    shutil.copytree(saved, tmp_path / "model")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*more, model="hf:./model", out="run"):
    asked = ["--tasks", "ed-mini", "--scorers", "surface", "--limit", "3", "--out", out]
    return main(["run", "--model", model, *asked, *more])


def answers(home, out="run"):
    lines = (home / out / "responses" / "ed-mini.jsonl").read_text().splitlines()
    return {line["id"]: line for line in map(json.loads, lines)}


def test_reasoning_is_kept_in_the_record_and_not_in_the_answer(home):
    assert run() == 0
    found = {(a["response"], a["reasoning"], a["status"]) for a in answers(home).values()}
    assert found == {("So sorry!", "They hurt.", "ok")}


def test_reasoning_that_the_limit_cuts_off_is_no_answer(home):
    assert run("--max-tokens", "2") == 1  # every answer failed: no success
    found = {(a["response"], a["reasoning"], a["status"]) for a in answers(home).values()}
    assert found == {("", "They hurt.", "truncated")}


def test_the_manifest_says_what_decided_the_answers(home):
    assert run("--model-args", "dtype=float32") == 0
    model = json.loads((home / "run" / "run.json").read_text())["model"]
    assert model["name"] == "model"
    assert model["fingerprint"].startswith("sha256:")
    assert model["arguments"] == {"dtype": "float32"}
    assert model["details"]["dtype"] == "float32"
    assert model["details"]["prompt_format"].startswith("chat template sha256:")


def test_a_dry_run_shows_prompts_loads_no_weights_and_writes_nothing(home, capsys, monkeypatch):
    from transformers import AutoModelForCausalLM

    monkeypatch.delattr(AutoModelForCausalLM, "from_pretrained")
    before = sorted(home.rglob("*"))
    assert run("--dry-run") == 0
    shown = capsys.readouterr().out
    assert "dtype: " in shown
    assert "[assistant]<think>" in shown
    assert sorted(home.rglob("*")) == before


def edit(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def without(name):
    return lambda folder: (folder / name).unlink()


def cut(name):
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes()[:-10])


DAMAGES = {
    "no model": (shutil.rmtree, "There is no model folder"),
    "no configuration": (without("config.json"), "it has no config.json"),
    "cut configuration": (cut("config.json"), "cannot be read as JSON"),
    "no weights": (without("model.safetensors"), "it has no weights"),
    "cut weights": (cut("model.safetensors"), "is cut off or damaged"),
    "no tokenizer": (without("tokenizer.json"), "The tokenizer of"),
    "cut tokenizer": (cut("tokenizer.json"), "The tokenizer of"),
    "own code": (
        lambda f: edit(f / "config.json", model_type="x", auto_map={"AutoConfig": "x.X"}),
        "needs code that comes with the model",
    ),
    "other tokenizer": (
        lambda f: edit(f / "config.json", vocab_size=100),
        "they do not belong together",
    ),
    "broken template": (
        lambda f: (f / "chat_template.jinja").write_text("{% if %}"),
        "The chat template does not work",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_is_refused_with_a_sentence_and_nothing_written(home, capsys, damage):
    break_it, sentence = DAMAGES[damage]
    break_it(home / "model")
    before = sorted(home.rglob("*"))
    assert run() == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("error: ")
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert shown.out == ""
    assert sorted(home.rglob("*")) == before


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("dtype=int8", "it takes one of auto, float32, bfloat16, float16"),
        ("dtype", "is not of the form key=value"),
        ("device=gpu", "The device 'gpu' cannot be used"),
        ("batch_tokens=lots", "it takes a whole number"),
        ("batch_tokens=-1", "it must be 0 or more"),
        ("chat_template=alpaca", "auto, model, plain or the path of a Jinja file"),
        ("adapter=./none", "There is no adapter folder ./none"),
        ("adapter=./model", "it has no adapter_config.json"),
        ("revision=main", "'revision' goes with a hub id"),
        ("trust_remote_code=true", "Unknown option 'trust_remote_code'"),
    ],
)
def test_nonsense_in_model_args_is_refused_with_nothing_written(home, capsys, options, sentence):
    before = sorted(home.rglob("*"))
    assert run("--model-args", options) == 2
    shown = capsys.readouterr()
    assert sentence in shown.err
    assert shown.err.count("\n") == 1
    assert sorted(home.rglob("*")) == before


def test_a_template_that_is_asked_for_and_missing_is_refused(home, capsys):
    (home / "model" / "chat_template.jinja").unlink()
    assert run("--model-args", "chat_template=model") == 2
    assert "The model has no chat template" in capsys.readouterr().err
    assert not (home / "run").exists()


def test_an_interrupted_run_ends_with_the_answers_of_one_that_was_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    endless = byte_tokenizer(eos_token=None)
    kind = type(
        make_random_model(tmp_path / "model", tokenizer=endless, max_position_embeddings=4096)
    )
    options = ["--temperature", "1", "--max-tokens", "20", "--model-args", "batch_tokens=700"]
    assert run(*options, out="whole") == 0
    whole = answers(tmp_path, "whole")

    prefills: list[int] = []

    def interrupt(shape):
        prefills.append(shape[1] > 1)
        if sum(prefills) == 4:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        watch_forward(patch, kind, interrupt)
        assert run(*options, out="broken") == 130
    kept = answers(tmp_path, "broken")
    assert 0 < len(kept) < len(whole)
    assert run(*options, out="broken") == 0
    finished = answers(tmp_path, "broken")
    assert {i: a["response"] for i, a in finished.items()} == {
        i: a["response"] for i, a in whole.items()
    }
    assert all(finished[i] == kept[i] for i in kept)
    assert len({a["response"] for a in whole.values()}) == len(whole)


@pytest.mark.slow
def test_a_real_model_answers_in_batches_as_it_does_alone():
    try:
        folder = packaged_model("smollm2-135m-instruct")
    except HubError as error:
        pytest.skip(str(error))
    prompts = [f"Name one thing that makes people {word}." for word in ("happy", "sad", "proud")]
    generator = HuggingFace(str(folder), dtype="float32", device="cpu")
    together = ask(generator, prompts, max_tokens=24)
    alone = [ask(generator, [prompt], max_tokens=24)[0] for prompt in prompts]
    assert [r.response for r in together] == [r.response for r in alone]
