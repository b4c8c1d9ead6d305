"""The reward that a DPO adapter implies, as ``alignment``."""

from __future__ import annotations

import math
import shutil

import pytest
from support.tiny_heads import make_base, make_heads
from support.tiny_models import CHATML

from empeval import Message, Response, Sample, UsageError
from empeval.testing import fake_item
from empeval_heads.reward import Reward
from empeval_heads.scorers import EQ

BETA = 0.1


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    from support.tiny_models import byte_tokenizer

    folder = tmp_path_factory.mktemp("reward") / "base"
    return make_base(folder, tokenizer=byte_tokenizer(chat_template=CHATML))


@pytest.fixture(scope="module")
def adapter(base):
    return make_adapter(base, 3)


def make_adapter(base, seed):
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base)
    config = LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    tuned = get_peft_model(model, config)
    torch.manual_seed(seed)
    for name, weight in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.5)
    folder = base.parent / f"adapter-{seed}"
    tuned.save_pretrained(folder)
    return folder


def sample(reply):
    item = fake_item(messages=(Message("user", "My dog died."),))
    return Sample(item, Response(item.id, reply))


def test_it_is_beta_times_the_difference_of_log_probabilities(base, adapter):
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    replies = ["Oh no.", "Well.", "I am so sorry to hear of it."]
    found = Reward(str(base), adapter, BETA).of([sample(r) for r in replies])
    tokenizer = AutoTokenizer.from_pretrained(base)
    reference = AutoModelForCausalLM.from_pretrained(base).eval()
    tuned = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).eval()
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": "My dog died."}], tokenize=False, add_generation_prompt=True
    )
    start = len(tokenizer(prompt, add_special_tokens=False).input_ids)
    for reply, reward in zip(replies, found, strict=True):
        ids = torch.tensor([tokenizer(prompt + reply, add_special_tokens=False).input_ids])
        labels = ids.clone()
        labels[:, :start] = -100
        count = ids.shape[1] - start
        with torch.no_grad():
            less = [m(input_ids=ids, labels=labels).loss.item() for m in (reference, tuned)]
        expected = 1 / (1 + math.exp(-BETA * count * (less[0] - less[1])))
        assert reward == pytest.approx(expected, abs=1e-4)
    assert len({round(r, 4) for r in found}) == 3


def test_the_adapter_that_dpo_began_with_is_the_reference(base, adapter):
    began = make_adapter(base, 4)
    replies = [sample(r) for r in ("Oh no.", "Well.")]
    odds = {
        name: [math.log(p / (1 - p)) for p in Reward(str(base), *given).of(replies)]
        for name, given in {
            "tuned": (adapter, BETA),
            "began": (began, BETA),
            "both": (adapter, BETA, began),
            "same": (began, BETA, began),
        }.items()
    }
    expected = [a - b for a, b in zip(odds["tuned"], odds["began"], strict=True)]
    assert odds["both"] == pytest.approx(expected, abs=1e-3)
    assert odds["same"] == pytest.approx([0, 0], abs=1e-6)


def test_eq_takes_it_as_alignment_where_eq_json_says_so(base, adapter, tmp_path):
    heads = make_heads(tmp_path / "heads", base, alignment="reward", beta=BETA)
    shutil.copytree(adapter, heads / "reward")
    values = EQ(str(heads)).score([sample("Oh no.")])[0].values
    (expected,) = Reward(str(base), adapter, BETA).of([sample("Oh no.")])
    assert values["alignment"] == pytest.approx(expected, abs=1e-4)
    assert values["eq"] == pytest.approx(values["empathy_mass"] + 0.3 * expected, abs=1e-4)


def test_eq_finds_the_reference_beside_it(base, adapter, tmp_path):
    heads = make_heads(tmp_path / "heads", base, alignment="reward", beta=BETA)
    shutil.copytree(adapter, heads / "reward")
    without = EQ(str(heads)).fingerprint()
    shutil.copytree(adapter, heads / "reward-reference")
    scorer = EQ(str(heads))
    assert scorer.fingerprint() != without
    assert scorer.score([sample("Oh no.")])[0].values["alignment"] == 0.5


def test_without_an_adapter_it_is_refused(base, tmp_path):
    heads = make_heads(tmp_path / "heads", base, alignment="reward")
    with pytest.raises(UsageError, match="holds no adapter"):
        EQ(str(heads)).score([sample("Oh no.")])


def test_an_adapter_of_another_model_is_refused(adapter, tmp_path):
    other = make_base(tmp_path / "other", hidden_size=48)
    with pytest.raises(UsageError, match="cannot be put on"):
        Reward(str(other), adapter, BETA)
