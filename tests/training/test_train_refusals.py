"""What training refuses: broken folders, encoders and data; and that it says so."""

from __future__ import annotations

import json
import shutil

import pytest
from support.small_recipes import small_recipe

from empeval import DataError, EmpevalError, UsageError
from empeval_training.train import train


def test_a_broken_question_or_result_is_named(run_small, tmp_path):
    out, _ = run_small("baseline")
    (out / "result.json").write_text("{")
    with pytest.raises(UsageError, match=r"result\.json is broken"):
        run_small("baseline")
    (out / "question.json").write_text("[")
    with pytest.raises(UsageError, match=r"question\.json is broken"):
        run_small("baseline")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"max_length": "200"}, "max_length is 200, but the encoder .* reads at most 96"),
        ({"encoder": "packaged:no-such-model"}, "no-such-model"),
        ({"encoder": "a b c"}, "a b c"),
    ],
)
def test_an_encoder_that_cannot_be_used_leaves_the_folder_free(
    run_small, tmp_path, changes, message
):
    with pytest.raises(EmpevalError, match=message):
        run_small("baseline", out=tmp_path / "run", **changes)
    run_small("baseline", out=tmp_path / "run")


def test_roberta_reads_fewer_tokens_than_it_has_positions(roberta, prepared, tmp_path):
    with pytest.raises(UsageError, match="at most 95 tokens"):
        train(
            small_recipe("baseline", roberta, max_length="96"), prepared, tmp_path / "run", seed=1
        )
    train(small_recipe("baseline", roberta, max_length="95"), prepared, tmp_path / "run", seed=1)


def test_a_folder_without_an_encoder_is_refused(run_small, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="no tokenizer that can be loaded"):
        run_small("baseline", encoder=str(tmp_path / "empty"))


def test_a_pickled_encoder_is_refused(run_small, encoder, tmp_path):
    folder = tmp_path / "pickled"
    folder.mkdir()
    for path in encoder.iterdir():
        name = "pytorch_model.bin" if path.suffix == ".safetensors" else path.name
        (folder / name).write_bytes(path.read_bytes())
    with pytest.raises(UsageError, match="cannot be loaded as an encoder"):
        run_small("baseline", encoder=str(folder))


def test_an_output_that_is_a_file_is_refused(run_small, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot be written into"):
        run_small("baseline", out=tmp_path / "file" / "run")


def test_weights_that_are_no_numbers_any_more_end_training(run_small):
    with pytest.raises(EmpevalError, match="no numbers any more"):
        run_small("baseline", learning_rate="1e30", epochs="2")


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ('{"id": 1}', DataError, r"train\.jsonl, line 3"),
        ("{", DataError, r"train\.jsonl, line 3"),
        ('{"id": "a", "split": "train", "conversation": "c", "emotion": "sad", '
         '"context": ["x"], "reply": "y", "empathy": 0.0}', DataError, "line 3.*a label 1-5"),
        ('{"id": "a", "split": "train", "conversation": "c", "emotion": "sad", '
         '"context": [], "reply": "y", "empathy": 2.0}', DataError, "line 3.*a context"),
    ],
)  # fmt: skip
def test_a_bad_line_of_prepared_data_is_named(encoder, prepared, tmp_path, line, error, message):
    data = shutil.copytree(prepared, tmp_path / "ed")
    (first, *_) = (prepared / "train.jsonl").read_text().splitlines()
    (data / "train.jsonl").write_text(f"{first}\n\n{line}\n")
    with pytest.raises(error, match=message):
        train(small_recipe("baseline", encoder), data, tmp_path / "run", seed=1)


def test_data_with_other_emotions_are_refused(encoder, prepared, tmp_path):
    data = shutil.copytree(prepared, tmp_path / "ed")
    facts = json.loads((data / "prepared.json").read_text())
    (data / "prepared.json").write_text(json.dumps(facts | {"emotions": ["hungry", "thirsty"]}))
    with pytest.raises(UsageError, match="none of the replies has an emotion"):
        train(small_recipe("baseline", encoder), data, tmp_path / "run", seed=1)
