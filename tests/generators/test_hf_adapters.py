"""``adapter=`` puts a PEFT adapter into an ``hf:`` model."""

from __future__ import annotations

import json
import shutil

import pytest
from support.asking import items, refused, texts
from support.tiny_models import byte_tokenizer, make_random_model, random_config

from empeval import UsageError
from empeval.generators.hf import HuggingFace

PROMPTS = ["abc", "hello there", "x"]


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A random model and its folder."""
    folder = tmp_path_factory.mktemp("base")
    return make_random_model(folder, seed=1), folder


def save_adapter(folder, config=None, **sizes):
    """Write a random LoRA adapter for the base model, or for one of other sizes."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(7)
    chosen = config or LoraConfig(
        r=2, target_modules=["q_proj", "down_proj"], init_lora_weights=False
    )
    model = AutoModelForCausalLM.from_config(random_config("llama", **sizes))
    get_peft_model(model, chosen).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def lora(tmp_path_factory):
    """The folder of a LoRA adapter for the base model."""
    return save_adapter(tmp_path_factory.mktemp("lora"))


def generator(base, adapter=None, **options):
    where = {} if adapter is None else {"adapter": str(adapter)}
    return HuggingFace(str(base[1]), dtype="float32", device="cpu", **where, **options)


def test_an_adapter_answers_as_peft_itself_does(base, lora):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    adapted = generator(base, lora)
    tokenizer = adapted._prompter.tokenizer
    reference = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base[1]), str(lora)
    ).eval()
    expected = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            every = reference.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=15
            )
        expected.append(tokenizer.decode(every[0, ids.shape[1] :], skip_special_tokens=True))
    assert texts(adapted, PROMPTS, max_tokens=15) == expected
    assert texts(generator(base), PROMPTS, max_tokens=15) != expected


def test_the_adapter_is_part_of_what_the_card_says_decides_the_answers(base, lora, tmp_path):
    plain, adapted = generator(base).card, generator(base, lora).card
    assert "adapter_fingerprint" not in plain.details
    assert adapted.fingerprint == plain.fingerprint
    known = adapted.details["adapter_fingerprint"]
    assert known.startswith("sha256:")
    moved = shutil.copytree(lora, tmp_path / "moved")
    assert generator(base, moved).card == adapted
    weights = bytearray((moved / "adapter_model.safetensors").read_bytes())
    weights[-1] ^= 1
    (moved / "adapter_model.safetensors").write_bytes(weights)
    assert generator(base, moved).card.details["adapter_fingerprint"] != known


def test_an_adapter_stays_beside_weights_that_cannot_take_it(base, lora):
    import torch
    from transformers import AutoModelForCausalLM

    from empeval.generators.hf.adapters import with_adapter
    from empeval.generators.hf.files import find_files

    ids = torch.arange(3, 20).unsqueeze(0)
    found = find_files(str(lora), None, "adapter")
    merged, beside = (
        with_adapter(AutoModelForCausalLM.from_pretrained(base[1]).eval(), found, merge=merge)
        for merge in (True, False)
    )
    assert type(merged) is type(beside)
    with torch.no_grad():
        torch.testing.assert_close(merged(ids).logits, beside(ids).logits, rtol=1e-3, atol=1e-3)


def use(base, adapter, load):
    made = generator(base, adapter)
    if load:
        texts(made, ["a"])


def refusal(base, adapter, *, load=True):
    """The error with which an adapter is refused; it is the user's."""
    error = refused(lambda: use(base, adapter, load))
    assert error.type is UsageError
    return error


@pytest.mark.parametrize("sizes", [{"hidden_size": 64}, {"num_hidden_layers": 1}])
def test_an_adapter_of_another_model_is_refused(base, tmp_path, sizes):
    error = refusal(base, save_adapter(tmp_path, **sizes))
    assert error.match(f"The adapter {tmp_path} does not fit the model: ")


def test_an_adapter_for_layers_that_the_model_does_not_have_is_refused(base, lora, tmp_path):
    folder = shutil.copytree(lora, tmp_path / "lora")
    path = folder / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"target_modules": ["Wqkv"]}))
    assert refusal(base, folder).match("does not fit the model: .*Wqkv")


def test_an_adapter_that_changes_no_weights_is_refused(base, tmp_path):
    from peft import PromptTuningConfig

    config = PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=2)
    error = refusal(base, save_adapter(tmp_path, config))
    assert error.match("is of the kind PROMPT_TUNING, which cannot be put into the weights")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("adapter_config.json", "is no adapter folder: it has no adapter_config.json"),
        ("adapter_model.safetensors", r"no weights \(adapter_model.safetensors\)"),
    ],
)
def test_an_adapter_folder_that_lacks_a_file_is_refused_at_once(
    base, lora, tmp_path, name, sentence
):
    folder = shutil.copytree(lora, tmp_path / "lora")
    (folder / name).unlink()
    assert refusal(base, folder, load=False).match(sentence)


def test_an_adapter_that_is_cut_off_is_refused_at_once(base, lora, tmp_path):
    folder = shutil.copytree(lora, tmp_path / "lora")
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    assert refusal(base, folder, load=False).match(
        r"is cut off or damaged.+; copy the adapter again"
    )


@pytest.mark.parametrize("target", ["./nowhere", "/no/such/adapter"])
def test_a_path_without_an_adapter_is_refused_at_once(base, target):
    assert refusal(base, target, load=False).match(f"There is no adapter folder {target}")


def test_an_adapter_given_as_the_model_says_how_to_use_it(lora):
    with pytest.raises(UsageError, match=r"It is an adapter: use --model hf:.* adapter="):
        HuggingFace(str(lora))


CHAT = "{% for m in messages %}<{{ m.content }}>{% endfor %}"
NEW = ("<|kind|>", "<|sad|>")


def prompt(generator, text="Hi"):
    from empeval import Sampling

    return generator.preview(items([text])[0], Sampling()).text


def test_an_adapter_s_own_tokenizer_and_template_are_used(base, lora, tmp_path):
    folder = shutil.copytree(lora, tmp_path / "lora")
    byte_tokenizer(chat_template=CHAT).save_pretrained(folder)
    adapted = generator(base, folder)
    assert prompt(adapted) == "<Hi>"
    assert adapted.card.details["tokenizer"] == "the adapter's"
    assert "tokenizer" not in generator(base, lora).card.details
    assert prompt(generator(base, lora)) == "Hi"


def test_an_adapter_that_brings_a_template_alone_is_asked_by_it(base, lora, tmp_path):
    folder = shutil.copytree(lora, tmp_path / "lora")
    (folder / "chat_template.jinja").write_text(CHAT)
    assert prompt(generator(base, folder)) == "<Hi>"


@pytest.fixture(scope="module")
def grown(base, tmp_path_factory):
    """The folder of an adapter that was trained with two new tokens, and its model."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("grown")
    tokenizer = byte_tokenizer(NEW, NEW, chat_template=CHAT.replace("<", NEW[0]))
    model = AutoModelForCausalLM.from_pretrained(base[1])
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    config = LoraConfig(
        r=2,
        target_modules=["q_proj"],
        modules_to_save=["embed_tokens", "lm_head"],
        init_lora_weights=False,
    )
    adapted = get_peft_model(model, config)
    adapted.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder, adapted.eval(), tokenizer


def test_an_adapter_with_tokens_of_its_own_answers_as_peft_itself_does(base, grown):
    import torch

    folder, model, tokenizer = grown
    expected = []
    for text in PROMPTS:
        ids = tokenizer(f"{NEW[0]}{text}>", return_tensors="pt").input_ids
        assert ids.max() >= len(byte_tokenizer())
        with torch.no_grad():
            every = model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=15
            )
        expected.append(tokenizer.decode(every[0, ids.shape[1] :], skip_special_tokens=True))
    adapted = generator(base, folder)
    assert adapted.prepare({"t": items(PROMPTS)}) == []
    assert texts(adapted, PROMPTS, max_tokens=15) == [text.strip() for text in expected]


def test_tokens_that_neither_the_model_nor_the_adapter_knows_are_refused(base, lora, tmp_path):
    folder = shutil.copytree(lora, tmp_path / "lora")
    template = CHAT.replace("<", NEW[0])
    byte_tokenizer(NEW, NEW, chat_template=template).save_pretrained(folder)
    adapted = generator(base, folder)
    adapted.prepare({"t": items(["Hi"])})
    error = refused(lambda: texts(adapted, ["Hi"]))
    assert error.match("The adapter's tokenizer gives the token .* do not belong together")


def as_pickle(lora, folder, content=None):
    """The adapter in the older form, or something else in its place."""
    import torch
    from safetensors.torch import load_file

    copied = shutil.copytree(lora, folder / "lora")
    weights = copied / "adapter_model.safetensors"
    torch.save(load_file(weights) if content is None else content, copied / "adapter_model.bin")
    weights.unlink()
    return copied


def test_an_adapter_that_was_saved_as_a_pickle_of_weights_is_read(base, lora, tmp_path):
    old = generator(base, as_pickle(lora, tmp_path))
    assert texts(old, PROMPTS, max_tokens=15) == texts(
        generator(base, lora), PROMPTS, max_tokens=15
    )


class Trap:
    def __reduce__(self):
        return open, ("trap", "w")


def test_an_adapter_that_is_a_pickle_of_more_than_weights_runs_nothing(
    base, lora, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    error = refusal(base, as_pickle(lora, tmp_path, {"weight": Trap()}))
    assert error.match("a pickle that would run code, which empeval never does")
    assert not (tmp_path / "trap").exists()
