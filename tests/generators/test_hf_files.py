"""What ``hf:`` takes for a model on disk, and what it says of everything else."""

from __future__ import annotations

import json
import shutil

import pytest
from support.asking import refused, texts
from support.tiny_gguf import write_gguf
from support.tiny_models import make_scripted_model

from empeval import UsageError
from empeval.generators.hf import HuggingFace

SCRIPTS = {"a": ["fine", "!"], "b": ["bad"]}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a scripted model."""
    folder = tmp_path_factory.mktemp("saved") / "my-model"
    make_scripted_model(folder, SCRIPTS)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    """A copy of it to damage."""
    return shutil.copytree(saved, tmp_path / "my-model")


def change(path, **entries):
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_a_folder_is_named_after_itself_and_known_by_its_files(folder, monkeypatch):
    card = HuggingFace(str(folder)).card
    assert card.name == "my-model"
    monkeypatch.chdir(folder)
    assert HuggingFace("./").card == HuggingFace(".").card == card
    assert card.fingerprint.startswith("sha256:")
    assert card.license is None


def test_the_fingerprint_is_that_of_the_contents_wherever_they_lie(saved, folder):
    before = HuggingFace(str(saved)).card.fingerprint
    assert HuggingFace(str(folder)).card.fingerprint == before
    (folder / "notes.md").write_text("no part of the model")
    assert HuggingFace(str(folder)).card.fingerprint == before
    change(folder / "generation_config.json", eos_token_id=5)
    assert HuggingFace(str(folder)).card.fingerprint != before


def test_the_fingerprint_changes_with_a_single_weight(folder):
    before = HuggingFace(str(folder)).card.fingerprint
    weights = bytearray((folder / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (folder / "model.safetensors").write_bytes(weights)
    assert HuggingFace(str(folder)).card.fingerprint != before


@pytest.mark.parametrize(
    ("text", "license"),
    [
        ("---\nlanguage: en\nlicense: apache-2.0\n---\n# Model\n", "apache-2.0"),
        ("---\nlicense: 'mit'\n---\n", "mit"),
        ("# Model\nlicense: mit\n", None),
        ("---\nlanguage: en\n---\nlicense: mit\n", None),
        ("---\nlicense: mit  # as the paper says\n---\n", "mit"),
        ("\ufeff---\r\nlicense: mit\r\n---\r\n", "mit"),
        ("---\nlicense: [mit, apache-2.0]\n---\n", "mit, apache-2.0"),
        ("---\nlicense:\n---\n", None),
        ("---\nlicense: {a: 1}\n---\n", None),
        ("---\n- license: mit\n---\n", None),
        ("---\nlicense: [mit\n---\n", None),
        ("---\nlicense: " + "[" * 5000 + "\n---\n", None),
        ("---\nlicense: !!python/object/apply:os.getcwd []\n---\n", None),
        ("---\nlicense: mit\n", None),
        ("", None),
    ],
)
def test_the_licence_is_read_from_the_model_s_card(folder, text, license):
    (folder / "README.md").write_bytes(text.encode())
    assert HuggingFace(str(folder)).card.license == license


def test_a_path_in_the_home_folder_is_found(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert HuggingFace("~/my-model").card.name == "my-model"


def use(target, load, **options):
    generator = HuggingFace(str(target), device="cpu", **options)
    if load:
        generator.prepare({})
        texts(generator, ["a"])


def refusal(target, *, load=True, **options):
    """The error with which a model is refused."""
    return refused(lambda: use(target, load, **options))


@pytest.mark.parametrize("target", ["./nowhere", "/no/where", "~/nowhere", "a/b/c", "nowhere/"])
def test_a_path_without_anything_is_refused(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error = refusal(target, load=False)
    assert error.match("There is no model folder")
    assert error.type is UsageError


def test_a_target_that_is_missing_is_refused():
    assert refusal("", load=False).match("'hf:' needs a hub id, a folder or a .gguf file")


def test_a_file_that_is_no_model_is_refused(folder):
    assert refusal(folder / "config.json", load=False).match("is a file; what is wanted is a model")


def test_a_revision_of_a_local_folder_is_refused(folder):
    assert refusal(folder, revision="main").match("'revision' goes with a hub id")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("config.json", "is no model folder: it has no config.json"),
        ("model.safetensors", r"has no weights \(model.safetensors\)"),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused(folder, name, sentence):
    (folder / name).unlink()
    error = refusal(folder, load=False)
    assert error.match(sentence)
    assert error.type is UsageError


def test_a_folder_with_only_a_gguf_file_says_how_to_name_it(tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF")
    assert refusal(tmp_path).match("Name the GGUF file itself: hf:.*model.gguf")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"model_type": ', "config.json cannot be read as JSON"),
        ("[1, 2]", "config.json holds no JSON object"),
        ('{"a": "\ud800"}', "config.json cannot be read as JSON"),
        ("[" * 100_000, "config.json cannot be read as JSON"),
    ],
)
def test_a_configuration_that_is_no_json_object_is_refused(folder, text, sentence):
    (folder / "config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert refusal(folder, load=False).match(sentence)


@pytest.mark.parametrize("config", [{}, {"model_type": "unheard-of"}, {"hidden_size": "many"}])
def test_a_configuration_that_describes_no_model_is_refused(folder, config):
    before = json.loads((folder / "config.json").read_text()) if "hidden_size" in config else {}
    (folder / "config.json").write_text(json.dumps(before | config))
    error = refusal(folder)
    assert error.match("cannot be loaded: ")
    assert error.type is UsageError


def test_a_model_that_writes_no_text_is_refused(folder):
    from transformers import T5Config

    T5Config().save_pretrained(folder)
    error = refusal(folder)
    assert error.match("is a model of the type 't5', which writes no text")
    assert error.type is UsageError


@pytest.mark.parametrize("text", ["", "{}", '{"version": "1.0"', '{"model": {"type": "Magic"}}'])
def test_a_broken_tokenizer_is_refused(folder, text):
    (folder / "tokenizer.json").write_text(text)
    error = refusal(folder)
    assert error.match("^The tokenizer of .* (is missing, broken or|gives no tokens)")
    assert error.type is UsageError


def test_a_folder_without_a_tokenizer_is_refused(folder):
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert refusal(folder).match("^The tokenizer of .* (is missing, broken or|gives no tokens)")


@pytest.mark.parametrize("file", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_is_never_run(folder, tmp_path, file):
    witness = tmp_path / "witness"
    code = f"open({str(witness)!r}, 'w')\nclass Own: pass\n"
    (folder / "own.py").write_text(code)
    if file == "config.json":
        names = {"AutoConfig": "own.Own", "AutoModelForCausalLM": "own.Own"}
        change(folder / file, model_type="own", auto_map=names)
    else:
        (folder / "tokenizer.json").unlink()
        names = {"AutoTokenizer": ["own.Own", "own.Own"]}
        change(folder / file, tokenizer_class="Own", auto_map=names)
    error = refusal(folder)
    assert error.match("needs code that comes with the model, which empeval never runs")
    assert error.type is UsageError
    assert not witness.exists()


def test_a_gguf_file_answers_as_the_folder_that_it_was_made_from(folder, capsys):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(folder)
    write_gguf(folder / "tiny.gguf", model, AutoTokenizer.from_pretrained(folder))
    generator = HuggingFace(str(folder / "tiny.gguf"), device="cpu")
    assert generator.card.name == "tiny.gguf"
    assert generator.card.fingerprint.startswith("sha256:")
    capsys.readouterr()
    assert texts(generator, ["xa", "yyb"]) == ["fine!", "bad"]
    assert capsys.readouterr().err == "", "no bar in the file that standard error goes to"


def test_a_gguf_file_that_is_none_or_not_there_is_refused(tmp_path):
    path = tmp_path / "model.gguf"
    assert refusal(path).match("There is no file .*model.gguf")
    path.write_bytes(b"PK\x03\x04 something else")
    assert refusal(path).match("is no GGUF file")
    path.write_bytes(b"GGUF\x03\x00\x00\x00 cut off")
    error = refusal(path)
    assert error.match("cannot be loaded")
    assert error.type is UsageError
