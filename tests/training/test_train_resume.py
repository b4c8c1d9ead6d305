"""Interrupted training goes on where it was, and comes to the same end."""

from __future__ import annotations

import json
import signal
import time

import pytest
from support.command import finish, start
from transformers import TrainerCallback

from empeval import UsageError
from empeval_training import stages
from empeval_training import train as train_module

LONG = {"epochs": "2", "batch_size": "8", "evaluations": "6", "patience": "9"}


class Interrupt(TrainerCallback):
    """Ctrl-C at a step, after whatever is saved there."""

    def __init__(self, step):
        self.step = step

    def on_save(self, args, state, control, **_):
        if state.global_step >= self.step:
            raise KeyboardInterrupt


def interrupt(monkeypatch, run, stage, step):
    """Let training stop in the middle of a stage."""
    plain = stages.show_steps

    def show(trainer):
        plain(trainer)
        if trainer.args.output_dir.endswith(stage):
            trainer.add_callback(Interrupt(step))

    with monkeypatch.context() as patch:
        patch.setattr(stages, "show_steps", show)
        with pytest.raises(KeyboardInterrupt):
            run()


def figures(result):
    return {f"{part} {k}": v for part, f in result["figures"].items() for k, v in f.items()}


@pytest.mark.parametrize(
    ("model", "method", "stage"),
    [
        ("baseline", "full", "both"),
        ("baseline", "lora", "both"),
        ("stm", "full", "emotion"),
        ("mvc", "lora", "both"),
        ("mvc", "full", "goemotions"),
    ],
)
def test_an_interrupted_run_ends_like_one_that_was_not(
    run_small, monkeypatch, tmp_path, model, method, stage
):
    more = LONG | {"method": method} | ({"pretrain_epochs": "2"} if model == "mvc" else {})
    _, whole = run_small(model, out=tmp_path / "whole", **more)
    out = tmp_path / "cut"
    step = 11 if stage == "both" else 4  # 11 is in the second epoch
    interrupt(monkeypatch, lambda: run_small(model, out=out, **more), stage, step)
    assert not (out / "result.json").exists()
    assert list((out / "stages" / stage).glob("checkpoint-*"))
    _, resumed = run_small(model, out=out, **more)
    assert figures(resumed) == pytest.approx(figures(whole), abs=1e-6)
    assert not [p for p in (out / "stages").iterdir() if p.is_dir()]


def test_training_goes_on_from_the_checkpoint_and_not_from_the_beginning(
    run_small, monkeypatch, tmp_path
):
    out = tmp_path / "cut"
    interrupt(monkeypatch, lambda: run_small("baseline", out=out, **LONG), "both", 11)
    seen = []

    class Watch(TrainerCallback):
        def on_step_end(self, args, state, control, **_):
            seen.append(state.global_step)

    monkeypatch.setattr(stages, "show_steps", lambda trainer: trainer.add_callback(Watch()))
    run_small("baseline", out=out, **LONG)
    assert min(seen) > 11


def test_a_checkpoint_that_was_cut_off_is_passed_over(run_small, monkeypatch, tmp_path):
    _, whole = run_small("baseline", out=tmp_path / "whole", **LONG)
    out = tmp_path / "cut"
    interrupt(monkeypatch, lambda: run_small("baseline", out=out, **LONG), "both", 11)
    torn = out / "stages" / "both" / "checkpoint-99"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")
    worse = out / "stages" / "both" / "checkpoint-98"
    worse.mkdir()
    (worse / "trainer_state.json").write_text('{"epoch": 1')
    _, resumed = run_small("baseline", out=out, **LONG)
    assert figures(resumed) == pytest.approx(figures(whole), abs=1e-6)


def test_a_finished_stage_is_not_trained_again(run_small, monkeypatch, tmp_path):
    def fail(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "predict", fail)
        with pytest.raises(KeyboardInterrupt):
            run_small("stm", method="lora")
    with monkeypatch.context() as patch:
        patch.setattr(stages, "LengthTrainer", fail)
        _, result = run_small("stm", method="lora")
    assert figures(result) == figures(run_small("stm", out=tmp_path / "two", method="lora")[1])


def test_weights_of_a_stage_that_cannot_be_read_are_named(run_small):
    out, _ = run_small("baseline")
    (out / "result.json").unlink()
    (out / "stages" / "both.safetensors").write_bytes(b"half")
    with pytest.raises(UsageError, match=r"both\.safetensors cannot be used .*remove it"):
        run_small("baseline")


def test_ctrl_c_ends_with_a_sentence_and_the_same_command_goes_on(encoder, prepared, tmp_path):
    changes = f"encoder={encoder},max_length=64,batch_size=2,evaluations=20,patience=99,epochs=6"
    command = ["train", "baseline", "--data", str(prepared), "--out", "runs", "--config", "minilm"]
    command += ["--set", changes]
    process = start(*command, folder=tmp_path)
    run = tmp_path / "runs" / "baseline-17"
    deadline = time.monotonic() + 60
    while not list(run.glob("stages/both/checkpoint-*/trainer_state.json")):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    outcome = finish(process)
    assert outcome.code == 130
    assert "the same command goes on from there" in outcome.err
    assert "Traceback" not in outcome.err
    assert not (run / "result.json").exists()
    question = (run / "question.json").read_text()
    outcome = finish(start(*command, folder=tmp_path))
    assert outcome.code == 0, outcome.err
    assert json.loads((run / "result.json").read_text())["figures"]["human"]["n"] == 68
    assert (run / "question.json").read_text() == question
