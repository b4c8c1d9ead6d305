"""Empathy checkpoints: what loads, and what is refused with a sentence before it does harm."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from support.command import python
from support.tiny_checkpoints import SCORERS, as_before, changed, make_tiny_adapter, network

from empeval import EmpevalError, HubError, UsageError
from empeval_empathy.checkpoints import checkpoint_fingerprint, load_checkpoint, read_facts
from empeval_empathy.emotions import EMOTIONS
from empeval_empathy.judge import Judge
from empeval_empathy.scorers import MVC, STM, Baseline
from empeval_empathy.views import Dialogue
from empeval_tasks import dialogues
from empeval_tasks.ed_mini.task import EDMini

OVERALL = {
    "chosen": "ratings", "weights": {"ratings": 1.0}, "means": {"ratings": 0.0},
    "deviations": {"ratings": 1.0}, "relevance": 0.0, "unsure": 0.0, "slope": 1.0,
    "thresholds": [-1.0, 0.0, 1.0, 2.0],
}  # fmt: skip
DIALOGUES = [
    Dialogue(tuple(m.content for m in item.messages if m.role != "system"), item.reference)
    for item in EDMini().items()
]


@pytest.fixture
def copy(checkpoints, tmp_path):
    """A checkpoint for mvc that a test may damage."""
    return Path(shutil.copytree(checkpoints["mvc"], tmp_path / "copy"))


def rewrite(path: Path, change) -> None:
    """Change the weights of a safetensors file in place."""
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def without(checkpoint: Path, folder: Path, part: str) -> Path:
    shutil.copytree(checkpoint, folder)
    (path,) = folder.glob("*model.safetensors")
    rewrite(path, lambda weights: [weights.pop(name) for name in list(weights) if part in name])
    return folder


def test_the_emotions_are_those_of_the_tasks():
    assert EMOTIONS == dialogues.EMOTIONS


@pytest.mark.parametrize(
    ("name", "kind", "pooling"),
    [("stm", "bert", "mean"), ("mvc", "bert", "mean"), ("roberta", "roberta", "cls")],
)
def test_a_checkpoint_loads_as_it_was_saved(checkpoints, encoders, name, kind, pooling):
    before = network(encoders[kind], SCORERS.get(name, "cascade"), pooling)
    model, tokenizer = load_checkpoint(checkpoints[name])
    assert not model.training
    assert tokenizer.cls_token_id is not None
    assert model.config.encoder["model_type"] == kind
    saved = before.state_dict()
    for weight, value in model.state_dict().items():
        assert np.array_equal(value.numpy(), saved[weight].numpy()), weight


def test_full_and_adapter_checkpoints_give_the_same_scores(adapter):
    one = Judge(adapter).judge(DIALOGUES)
    other = Judge(adapter.parent / "full").judge(DIALOGUES)
    assert one.empathy == pytest.approx(other.empathy, abs=1e-4)
    assert one.emotions == pytest.approx(other.emotions, abs=1e-4)
    assert one.mechanisms == pytest.approx(other.mechanisms, abs=1e-4)
    assert np.ptp(one.empathy) > 0.1


@pytest.mark.parametrize("mechanisms", [True, False])
@pytest.mark.parametrize("name", SCORERS)
def test_a_checkpoint_of_before_the_scales_is_read_by_its_own_formula(
    encoders, tmp_path, name, mechanisms
):
    folder = as_before(tmp_path / "old", encoders["bert"], SCORERS[name], mechanisms=mechanisms)
    model, _ = load_checkpoint(folder)
    judged = Judge(folder).judge(DIALOGUES)
    assert (judged.mechanisms is not None) == mechanisms
    assert np.ptp(judged.empathy) > 0.1
    width = model.empathy[0].in_features
    given = torch.randn(5, width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        made = model.rate(given)
        raw = model.empathy(given)[:, 0].numpy()
        levels = model.mechanisms(given).numpy() if mechanisms else None
    assert made["empathy"].numpy() == pytest.approx(1 + 4 / (1 + np.exp(-raw)), abs=1e-5)
    if mechanisms:
        assert made["mechanisms"].numpy() == pytest.approx(2 / (1 + np.exp(-levels)), abs=1e-5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"scales": [{"name": "label", "low": 1, "high": 5}]}, "lack one of"),
        ({"scales": [{"name": "label", "low": 5, "high": 1}]}, "goes from 5 to 1"),
        ({"overall": {"chosen": "x"}}, "overall is not what it should be"),
        ({"overall": OVERALL | {"weights": {"warmth": 1.0}}}, "scales that are not there"),
        ({"overall": OVERALL | {"slope": "steep"}}, "overall is not what it should be"),
    ],
)
def test_scales_that_are_none_are_refused_by_name(checkpoints, tmp_path, fields, message):
    folder = changed(checkpoints["mvc"], tmp_path / "odd", **fields)
    with pytest.raises(UsageError, match=message):
        load_checkpoint(folder)


@pytest.mark.parametrize(("scorer", "name"), [(Baseline, "mvc"), (STM, "mvc"), (MVC, "stm")])
def test_a_checkpoint_of_another_architecture_is_refused_at_once(checkpoints, scorer, name):
    with pytest.raises(UsageError, match=r"is a checkpoint for .*; name that scorer"):
        scorer(str(checkpoints[name]))


def test_an_architecture_that_nobody_knows_is_refused(checkpoints, tmp_path):
    folder = changed(checkpoints["mvc"], tmp_path / "odd", architecture="ensemble")
    with pytest.raises(UsageError, match="'ensemble', which no scorer knows"):
        MVC(str(folder))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({str(n): e for n, e in enumerate(EMOTIONS[:-1])}, "another set of emotions"),
        ({str(n): f"LABEL_{n}" for n in range(32)}, "another set of emotions"),
        ({str(n): "sad" for n in range(32)}, "another set of emotions"),
        ({str(n + 1): e for n, e in enumerate(EMOTIONS)}, "does not number its emotions"),
        ({e: n for n, e in enumerate(EMOTIONS)}, "does not number its emotions"),
        (list(EMOTIONS), "does not number its emotions"),
        (None, "does not number its emotions"),
    ],
    ids=["one less", "nameless", "all alike", "from 1", "turned round", "a list", "none"],
)
def test_another_label_set_is_refused_at_once(checkpoints, tmp_path, labels, message):
    folder = changed(checkpoints["mvc"], tmp_path / "odd", id2label=labels)
    with pytest.raises(UsageError, match=message):
        MVC(str(folder))


def test_emotions_in_another_order_are_read_in_that_order(checkpoints, tmp_path):
    turned = {str(n): emotion for n, emotion in enumerate(reversed(EMOTIONS))}
    folder = changed(checkpoints["mvc"], tmp_path / "turned", id2label=turned)
    read_facts(folder, "cascade")
    assert Judge(folder).emotions == list(reversed(EMOTIONS))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "best.pt", "last.ckpt"])
def test_a_pickle_is_not_read(copy, name):
    (copy / "model.safetensors").unlink()
    (copy / name).write_bytes(b"cos\nsystem\n(S'exit 1'\ntR.")
    with pytest.raises(UsageError, match=rf"\({name}\) are a pickle.*save them as safetensors"):
        MVC(str(copy))


def test_a_checkpoint_without_weights_is_refused(copy):
    (copy / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"neither model\.safetensors nor adapter_model"):
        MVC(str(copy))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON file"),
        ("[]", "says model_type None"),
        ('{"model_type": "bert"}', "says model_type 'bert'"),
        ("\udcff", "is no JSON file"),
    ],
    ids=["cut off", "a list", "another model's", "not UTF-8"],
)
def test_a_broken_configuration_is_named(copy, text, message):
    (copy / "config.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=message):
        MVC(str(copy))


def test_a_folder_without_configuration_is_no_checkpoint(tmp_path):
    with pytest.raises(UsageError, match=r"it has no config\.json"):
        MVC(str(tmp_path))


def test_a_file_is_no_folder(copy):
    with pytest.raises(UsageError, match="is a file; name the folder that it is in"):
        MVC(str(copy / "model.safetensors"))


@pytest.mark.parametrize("target", ["./nope", "no/such/folder", "~/no such", "", "a" * 5000 + "/"])
def test_a_target_that_is_nowhere_is_refused_at_once(target):
    with pytest.raises(UsageError, match="neither a folder nor a model id"):
        MVC(target)


def test_a_name_too_long_for_any_folder_is_looked_for_only_when_it_is_used():
    scorer = MVC("a" * 5000)
    with pytest.raises(HubError, match="no repository of the hub can have that name"):
        scorer.fingerprint()


def test_the_home_folder_may_be_written_as_the_shell_writes_it(copy, monkeypatch):
    monkeypatch.setenv("HOME", str(copy.parent))
    assert MVC("~/copy").fingerprint() == MVC(str(copy)).fingerprint()


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("pooling", "max", "neither 'cls' nor 'mean'"),
        ("max_length", 4, "max_length 4 is no number from 8 on"),
        ("max_length", "long", "max_length 'long' is no number from 8 on"),
        ("max_length", 1000, "says max_length 1000, but its encoder has 96 places"),
        ("encoder", {"model_type": "no-such"}, "no-such"),
        ("encoder", None, "names no encoder"),
        ("encoder", {}, "names no encoder"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_refused(
    checkpoints, tmp_path, field, value, message
):
    folder = changed(checkpoints["mvc"], tmp_path / "odd", **{field: value})
    with pytest.raises(UsageError, match=message):
        load_checkpoint(folder)


def test_the_places_of_roberta_are_two_less_than_its_table(checkpoints, tmp_path):
    with pytest.raises(UsageError, match="its encoder has 95 places"):
        load_checkpoint(changed(checkpoints["roberta"], tmp_path / "long", max_length=96))
    load_checkpoint(changed(checkpoints["roberta"], tmp_path / "fits", max_length=95))


@pytest.mark.parametrize(
    "head",
    [
        "context_emotion",
        "full_emotion",
        "scales.latents.weight",
        "scales.thresholds",
        "layer.0.output",
    ],
)
def test_a_checkpoint_that_lacks_a_head_is_refused_rather_than_filled_up(
    checkpoints, tmp_path, head
):
    folder = without(checkpoints["mvc"], tmp_path / "less", head)
    with pytest.raises(UsageError, match=rf"lacks weights: .*{head}"):
        load_checkpoint(folder)


def test_a_head_of_another_shape_is_refused(copy):
    def narrow(weights):
        weights["full_emotion.weight"] = weights["full_emotion.weight"][:5]

    rewrite(copy / "model.safetensors", narrow)
    with pytest.raises(UsageError, match="cannot be loaded as an empathy checkpoint"):
        load_checkpoint(copy)


@pytest.mark.parametrize("keep", [0, 7, 5000])
def test_broken_weights_are_refused(copy, keep):
    weights = copy / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(UsageError, match="cannot be loaded as an empathy checkpoint"):
        load_checkpoint(copy)


def test_a_checkpoint_without_a_tokenizer_is_refused(copy):
    for name in copy.glob("token*"):
        name.unlink()
    with pytest.raises(UsageError, match="cannot be loaded as an empathy checkpoint"):
        load_checkpoint(copy)


def test_a_tokenizer_of_another_encoder_is_refused(copy):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["zyzzyva"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(UsageError, match="do not belong together"):
        load_checkpoint(copy)


@pytest.mark.parametrize("part", [".scales.latents.weight", "lora_A", "query.lora_B"])
def test_an_adapter_that_lacks_weights_is_refused(adapter, tmp_path, part):
    folder = without(adapter, tmp_path / "less", part)
    with pytest.raises(UsageError, match=rf"lacks weights: .*{part.strip('.')}"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": "IA3"}, "only LORA can be read"),
        ({"target_modules": ["query"]}, r"weights that adapter_config\.json does not speak of"),
        ({"r": 3}, "size mismatch"),
    ],
    ids=["another kind", "layers not named", "another rank"],
)
def test_an_adapter_that_contradicts_its_configuration_is_refused(
    adapter, tmp_path, fields, message
):
    folder = Path(shutil.copytree(adapter, tmp_path / "odd"))
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))
    with pytest.raises(UsageError, match=message):
        load_checkpoint(folder)


def test_an_adapter_imports_no_module_that_its_configuration_names(adapter, tmp_path, monkeypatch):
    (tmp_path / "sly.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    folder = Path(shutil.copytree(adapter, tmp_path / "sly"))
    path = folder / "adapter_config.json"
    sly = {
        "megatron_config": {"use_cpu_initialization": True},
        "megatron_core": "sly",
        "auto_mapping": {"base_model_class": "Model", "parent_library": "sly"},
    }
    path.write_text(json.dumps({**json.loads(path.read_text()), **sly}))
    load_checkpoint(folder)


@pytest.mark.parametrize("name", ["/no/such/encoder", "", "packaged:no-such"])
def test_an_adapter_whose_encoder_cannot_be_is_refused_at_once(encoders, tmp_path, name):
    adapter = make_tiny_adapter(tmp_path / "adapter", encoders["bert"], "cascade")
    folder = changed(adapter, tmp_path / "odd", encoder_name=name)
    with pytest.raises(UsageError, match=r"neither a folder nor a model id|no-such"):
        MVC(str(folder))
    with pytest.raises(EmpevalError):
        load_checkpoint(folder)


def test_an_adapter_whose_encoder_cannot_be_fetched_says_so(adapter, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    folder = changed(adapter, tmp_path / "away", encoder_name="org/no-such-encoder")
    with pytest.raises(HubError, match="'org/no-such-encoder'"):
        load_checkpoint(folder)


def test_an_adapter_on_an_encoder_of_another_shape_is_refused(adapter, encoders, tmp_path):
    folder = changed(adapter, tmp_path / "odd", encoder_name=str(encoders["roberta"]))
    with pytest.raises(UsageError, match="cannot be loaded as an empathy checkpoint"):
        load_checkpoint(folder)


def test_the_fingerprint_follows_the_weights_and_the_encoder(adapter, encoders, tmp_path):
    facts = json.loads((adapter / "config.json").read_text())
    before = checkpoint_fingerprint(adapter, facts)
    other = {**facts, "encoder_name": str(encoders["roberta"])}
    assert checkpoint_fingerprint(adapter, other) != before
    less = without(adapter, tmp_path / "less", "lora_A")
    assert checkpoint_fingerprint(less, facts) != before
    assert checkpoint_fingerprint(adapter, facts) == before


def test_loading_prints_nothing_and_warns_of_nothing(checkpoints, encoders, tmp_path):
    adapter = make_tiny_adapter(tmp_path / "adapter", encoders["bert"], "cascade")
    statement = (
        "import sys, warnings, importlib\n"
        "warnings.simplefilter('always', FutureWarning)\n"
        "from empeval_empathy import config\n"
        "importlib.reload(config)\n"
        "from empeval_empathy.checkpoints import load_checkpoint\n"
        "[load_checkpoint(folder) for folder in sys.argv[1:]]\n"
    )
    folders = [str(checkpoints["mvc"]), str(checkpoints["roberta"]), str(adapter)]
    outcome = python(statement, *folders, folder=tmp_path)
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
