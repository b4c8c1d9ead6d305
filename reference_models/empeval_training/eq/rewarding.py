"""Makes a DPO model's implicit reward the ``alignment`` of a folder of heads."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec

from empeval import UsageError
from empeval_heads.bundle import read_eq, write_eq
from empeval_heads.reward import POLICY, REFERENCE
from empeval_training.answers import RESULT, read_json
from empeval_training.eq.tuning import adapter_key

FILES = ("adapter_config.json", "adapter_model.safetensors", "README.md")


def use_reward(heads: Path, dpo: Path, reference: Path | None) -> None:
    """Copy the DPO adapter beside the heads, and say so in ``eq.json``.

    Args:
        heads: a folder with ``eq.json``.
        dpo: what ``empeval train dpo`` wrote.
        reference: the adapter that it began with; ``None`` when it began with the bare base.

    Raises:
        UsageError: the folder is of no DPO training, of another base, or the reference is not the
            adapter that it began with.
    """
    facts = read_eq(heads)
    if not (dpo / RESULT).is_file():
        raise UsageError(f"{dpo} holds no finished training; name what 'train dpo' wrote.")
    answer = read_json(dpo / RESULT)
    if answer.get("step") != "dpo":
        raise UsageError(f"{dpo} is of '{answer.get('step')}', not of 'dpo'.")
    base = answer["recipe"]["base"]
    if base != facts.base:
        raise UsageError(f"{dpo} was trained on {base}, but the heads read {facts.base}.")
    if answer["adapter"] is not None and reference is None:
        raise UsageError(f"{dpo} began with an adapter; name it with --reference.")
    if reference is not None and adapter_key(reference) != answer["adapter"]:
        raise UsageError(f"{reference} is not the adapter that {dpo} began with.")
    for name, source in ((POLICY, dpo / "adapter"), (REFERENCE, reference)):
        shutil.rmtree(heads / name, ignore_errors=True)
        if source is None:
            continue
        (heads / name).mkdir()
        for file in FILES:
            if (source / file).is_file():
                shutil.copyfile(source / file, heads / name / file)
    beta = float(answer["recipe"]["beta"])
    write_eq(heads, msgspec.structs.replace(facts, alignment="reward", beta=beta))
