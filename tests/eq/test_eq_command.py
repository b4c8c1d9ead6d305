"""``empeval train`` for the EQ pipeline: the whole published recipe as a few commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

TINY = ("--config", "cpu", "--set", "batch_size=2,gradient_accumulation=1,max_length=400,"
        "train_examples=4,eval_examples=3,lora_rank=2,evaluations=1")  # fmt: skip


def test_the_recipe_from_data_to_adapters(cli, mirror, tiny_base, tmp_path):
    data = ("--data-dir", mirror)
    base = ("--set", f"base={tiny_base}")
    made = cli(
        "train", "prepare-sft", "--out", "sft-data", "--total", "20", "--validation", "6", *data
    )
    assert made.code == 0, made.err
    assert "p_i" in made.out
    assert "20 training and 6 validation rows" in made.out
    assert "licence of thu-coai/esconv: CC BY-NC 4.0, academic use" in made.out
    sft = cli("train", "sft", "--data", "sft-data", "--out", "sft", *TINY, *base)
    assert sft.code == 0, sft.err
    assert "loss" in sft.out
    assert "adapter: sft/adapter" in sft.out
    own = ("--own-replies", f"hf:{tiny_base}", "--own-limit", "2", "--model-args",
           "adapter=sft/adapter")  # fmt: skip
    made = cli("train", "prepare-dpo", "--out", "dpo-data", "--limit", "9", "--validation", "6",
               *own, *data)  # fmt: skip
    assert made.code == 0, made.err
    assert "other-strategy" in made.out
    assert "own replies are weaker" in made.err
    dpo = cli(
        "train",
        "dpo",
        "--data",
        "dpo-data",
        "--out",
        "dpo",
        "--adapter",
        "sft/adapter",
        *TINY,
        *base,
    )
    assert dpo.code == 0, dpo.err
    assert "reward accuracy" in dpo.out
    small = "hidden=8,epochs=2,max_length=48,emotion_examples=40,strategy_examples=40"
    heads = cli("train", "heads", "--out", "heads", *data, *base, "--set", small)
    assert heads.code == 0, heads.err
    assert "empathy classes" in heads.out
    asked = ("--heads", "heads", "--task", "ed-mini", "--limit", "1", "--max-tokens", "4")
    tuned = ("--model", f"hf:{tiny_base}", "--model-args", "adapter=dpo/adapter")
    table = cli("eq-variants", *tuned, *asked)
    assert table.code == 0, table.err


def test_a_training_reports_to_nobody(tmp_path):
    program = (
        "import sys\n"
        "from empeval.cli import main\n"
        "main(sys.argv[1:])\n"
        "from huggingface_hub import constants\n"
        "print(constants.HF_HUB_DISABLE_TELEMETRY)\n"
    )
    environment = {k: v for k, v in os.environ.items() if "TELEMETRY" not in k}
    done = subprocess.run(
        [sys.executable, "-c", program, "train", "sft", "--data", "nowhere", "--out", "out"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "holds no prepared data" in done.stderr
    assert done.stdout == "True\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("prepare-sft", "--temperature", "0"), "temperature is 0"),
        (("prepare-sft", "--sources", "mine"), "Unknown source mine"),
        (("sft", "--data", "nowhere"), "holds no prepared data"),
        (("sft", "--data", "nowhere", "--config", "none"), "There is no configuration none"),
        (("dpo", "--data", "nowhere", "--set", "beta"), "not of the form key=value"),
        (("heads", "--set", "base=nowhere/at-all/x"), "nowhere/at-all/x"),
    ],
)
def test_mistakes_are_answered_in_a_sentence(cli, mirror, tmp_path, arguments, message):
    outcome = cli("train", *arguments, "--out", "out", "--data-dir", mirror)
    assert outcome.code in (1, 2)
    assert message in outcome.err
    assert "Traceback" not in outcome.err


def test_pairs_can_be_read_by_eye(cli, mirror, tmp_path):
    cli(
        "train",
        "prepare-dpo",
        "--out",
        "data",
        "--limit",
        "3",
        "--validation",
        "2",
        "--data-dir",
        mirror,
    )
    lines = (tmp_path / "data" / "pairs-train.jsonl").read_text().splitlines()
    assert len(lines) == 3
    for line in lines:
        row = json.loads(line)
        assert {"prompt", "chosen", "rejected", "rule", "rating", "id"} == set(row)
