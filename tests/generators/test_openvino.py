"""``openvino:`` on the real engine: it answers as ``hf:`` does, on models of a few hundred weights.

What needs no engine is in ``test_openvino_files``.
"""

from __future__ import annotations

import json
import shutil

import pytest
from support.asking import ask, items, refused, texts
from support.tiny_gguf import write_gguf
from support.tiny_models import PAD, byte_tokenizer, make_random_model, make_scripted_model

from empeval import HubError, Sampling, packaged_model
from empeval.cli import main
from empeval.engines import unreported
from empeval.generators.hf import HuggingFace
from empeval.generators.openvino import OpenVINO
from empeval.testing import GeneratorContract

with unreported():
    engine = pytest.importorskip(
        "openvino_genai", reason="openvino-genai is not installed: pip install 'empeval[openvino]'"
    )

THINK = "<think>"
SCRIPTS = {
    "a": ["Fine", ",", " thanks", ".\nUs", "er", ": more"],
    "b": [" Oh", " no", " "],
    "t": [THINK, " It hurts.", "</think>", " So", PAD, " sorry", "!"],
    "r": [" on", " and"] + [" so"] * 2,
    "e": [" the", " end", "<stop>", " never read"],
}
TALK = [("user", "b"), ("assistant", "x"), ("user", "a")]
FIELDS = ("id", "response", "reasoning", "status", "stop", "prompt_tokens", "completion_tokens")


def exact(folder, family="llama", **options):
    """A random model whose weights float16 can hold."""
    import torch

    model = make_random_model(folder, family, **options)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            if name.endswith(".bias"):  # made as zeros, whose order nobody sees
                tensor.copy_(torch.arange(len(tensor)) % 5 - 2)
    model.half().float().save_pretrained(folder)
    return model


def on_engine(folder, **options):
    return OpenVINO(str(folder), dtype="float32", engine='{"INFERENCE_NUM_THREADS": 1}', **options)


def on_torch(folder):
    return HuggingFace(str(folder), dtype="float32", device="cpu")


def facts(responses):
    return [tuple(getattr(r, name) for name in FIELDS) for r in responses]


@pytest.fixture(scope="module")
def scripted(tmp_path_factory):
    """The same scripted model on both."""
    folder = tmp_path_factory.mktemp("scripted")
    make_scripted_model(
        folder, SCRIPTS, special=(THINK, "</think>", "<stop>"), eos=("</s>", "<stop>"), broken="#"
    )
    generators = on_engine(folder), on_torch(folder)
    yield generators
    generators[0].close()


@pytest.mark.parametrize(
    "sampling",
    [
        {},
        {"max_tokens": 2},
        {"stop": ("thanks", "no")},
        {"stop": ("\nUser:", PAD, "so so so")},
        {"max_tokens": 4, "stop": ("never",), "reasoning_tags": ("<think>",)},
    ],
    ids=lambda sampling: "-".join(sampling) or "greedy",
)
def test_answers_stops_counts_and_thoughts_are_those_of_hf(scripted, sampling):
    sampling = {"max_tokens": 8} | sampling
    prompts = ["a", "b", "t", "r", "e", TALK]
    got, expected = (ask(generator, prompts, **sampling) for generator in scripted)
    assert facts(got) == facts(expected)
    assert all(r.seconds > 0 for r in got)
    assert len({r.response for r in got}) > 3


@pytest.mark.parametrize(
    ("family", "options"),
    [
        ("llama", {}),
        ("llama", {"tie_word_embeddings": True, "rope_parameters": {"rope_theta": 300.0}}),
        ("qwen2", {}),
        ("qwen3", {"head_dim": 16}),
    ],
)
def test_random_models_of_each_type_answer_as_under_hf(tmp_path, family, options):
    exact(tmp_path, family, seed=3, **options)
    prompts = ["How are you?", "b", "My dog died last week, and I cannot sleep.", TALK]
    got = texts(on_engine(tmp_path), prompts, max_tokens=12)
    assert got == texts(on_torch(tmp_path), prompts, max_tokens=12)
    assert len(set(got)) == len(got)


def test_a_model_without_an_end_of_text_goes_on_to_the_limit(tmp_path):
    script = {"a": [" so", b"!", " on", *[" and"] * 2]}  # "!" is token 3, which ends other models
    make_scripted_model(tmp_path, script, eos=(), eos_token=None)
    (answer,) = ask(on_engine(tmp_path), ["a"], max_tokens=8)
    assert answer.response == " so! on" + " and" * 5
    assert facts([answer]) == facts(ask(on_torch(tmp_path), ["a"], max_tokens=8))


def test_what_is_drawn_depends_on_seed_and_item_alone(tmp_path):
    exact(tmp_path, tokenizer=byte_tokenizer(eos_token=None))
    generator = on_engine(tmp_path)
    prompts = [f"day {number}" for number in range(5)]
    drawn = texts(generator, prompts, temperature=1.0, seed=1, max_tokens=12)
    assert texts(generator, prompts, temperature=1.0, seed=1, max_tokens=12) == drawn
    assert texts(generator, prompts, temperature=1.0, seed=2, max_tokens=12) != drawn
    asked = items(prompts)
    (alone,) = generator.generate(asked[3:4], Sampling(temperature=1.0, seed=1, max_tokens=12))
    assert alone.response == drawn[3]
    same = texts(generator, ["day 1"] * 4, temperature=1.0, seed=1, max_tokens=12)
    assert len(set(same)) == 4
    narrow = texts(generator, prompts, temperature=1.0, top_p=1e-6, seed=1, max_tokens=12)
    assert narrow == texts(generator, prompts, max_tokens=12) != drawn


def test_only_the_row_whose_logits_are_not_numbers_fails(scripted):
    answers = ask(scripted[0], ["a", "#", "b"], max_tokens=8)
    assert [r.status for r in answers] == ["ok", "error", "ok"]
    assert "not numbers" in answers[1].note
    assert facts(answers[::2]) == facts(ask(scripted[1], ["a", "#", "b"], max_tokens=8)[::2])


def test_a_prompt_that_does_not_fit_is_an_error_of_its_item(scripted):
    good, long, none = ask(scripted[0], ["a", "a " * 5000, ""], max_tokens=8)
    assert good.status == "ok"
    assert (long.status, none.status) == ("error", "error")
    assert "the model's window 512" in long.note


def test_answers_that_nobody_waits_for_leave_the_engine_free(scripted):
    generator = scripted[0]
    expected = texts(generator, ["a", "b"], max_tokens=8)
    left = generator.generate(items(["r", "b", "r"]), Sampling(max_tokens=300))
    assert next(left).response == " Oh no "
    left.close()
    assert texts(generator, ["a", "b"], max_tokens=8) == expected


def test_a_prompt_for_which_the_engine_has_no_room_fails_alone(tmp_path, monkeypatch):
    class Small(engine.SchedulerConfig):
        def __init__(self):
            super().__init__()
            self.num_kv_blocks = 4  # of 32 tokens

    exact(tmp_path, tokenizer=byte_tokenizer(eos_token=None))
    prompts = ["short", "long " * 30, "other"]
    expected = texts(on_engine(tmp_path), prompts, max_tokens=8)
    monkeypatch.setattr(engine, "SchedulerConfig", Small)
    answers = ask(on_engine(tmp_path), prompts, max_tokens=8)
    assert [r.status for r in answers] == ["truncated", "error", "truncated"]
    assert "out of memory" in answers[1].note
    assert [r.response for r in answers[::2]] == expected[::2]


def test_gguf_files_and_folders_in_openvinos_format_are_read_as_they_are(tmp_path):
    import torch

    model = make_random_model(tmp_path, num_attention_heads=1, num_key_value_heads=1)
    torch.manual_seed(5)
    write_gguf(tmp_path / "tiny.gguf", model, byte_tokenizer())
    prompts = ["ab", "xyz", "How are you?"]
    expected = texts(on_torch(tmp_path / "tiny.gguf"), prompts, max_tokens=8)
    saving = OpenVINO(
        str(tmp_path / "tiny.gguf"), dtype="float32", engine='{"enable_save_ov_model": true}'
    )
    assert texts(saving, prompts, max_tokens=8) == expected
    assert saving.card.details["weights"] == "GGUF F16"
    exported = tmp_path / "exported"
    exported.mkdir()
    for name in ("openvino_model.xml", "openvino_model.bin"):
        shutil.move(tmp_path / name, exported / name)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(tmp_path / name, exported / name)
    read = on_engine(exported)
    assert read.prepare({}) == saving.prepare({})
    assert texts(read, prompts, max_tokens=8) == expected
    assert read.card.details["weights"] == "OpenVINO's format"
    assert read.card.fingerprint != saving.card.fingerprint
    (exported / "openvino_model.bin").write_bytes(b"x")
    assert on_engine(exported).card.fingerprint != read.card.fingerprint


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"NO_SUCH_PROPERTY": 1}, "Unsupported property NO_SUCH_PROPERTY"),
        ({"INFERENCE_NUM_THREADS": "many"}, "INFERENCE_NUM_THREADS"),
    ],
)
def test_what_the_engine_refuses_is_said_in_a_line(tmp_path, properties, reason):
    make_random_model(tmp_path)
    generator = OpenVINO(str(tmp_path), engine=json.dumps(properties))
    message = str(refused(lambda: ask(generator, ["a"])).value)
    assert message.startswith(f"OpenVINO cannot load {tmp_path.name}")
    assert reason in message
    assert "Exception from" not in message


def test_an_interrupted_run_ends_with_the_answers_of_one_that_was_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    exact(
        tmp_path / "model", tokenizer=byte_tokenizer(eos_token=None), max_position_embeddings=4096
    )

    def run(out):
        asked = ["--tasks", "ed-mini", "--scorers", "surface", "--limit", "3", "--out", out]
        decoding = ["--temperature", "1", "--max-tokens", "10", "--model-args", "batch=4"]
        return main(["run", "--model", "openvino:./model", *asked, *decoding])

    def answers(out):
        lines = (tmp_path / out / "responses" / "ed-mini.jsonl").read_text().splitlines()
        return {line["id"]: line["response"] for line in map(json.loads, lines)}

    assert run("whole") == 0
    steps = []

    class Watched(engine.ContinuousBatchingPipeline):
        def step(self):
            steps.append(1)
            if len(steps) == 14:
                raise KeyboardInterrupt
            super().step()

    with monkeypatch.context() as patch:
        patch.setattr(engine, "ContinuousBatchingPipeline", Watched)
        assert run("broken") == 130
    assert 0 < len(answers("broken")) < len(answers("whole"))
    assert run("broken") == 0
    assert answers("broken") == answers("whole")
    model = json.loads((tmp_path / "broken" / "run.json").read_text())["model"]
    assert model["details"]["engine"].startswith("openvino-genai 20")
    assert model["details"]["weights"] == "float16"


@pytest.fixture(scope="module")
def answering(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    exact(folder)
    return on_engine(folder)


class TestContract(GeneratorContract):
    @pytest.fixture
    def generator(self, answering):
        return answering


@pytest.mark.slow
def test_a_real_model_answers_as_under_hf():
    try:
        packaged_model("smollm2-135m-instruct")
    except HubError as error:
        pytest.skip(str(error))
    prompts = ["What is the capital of France?", "Name one thing that makes people proud."]
    got = texts(on_engine("packaged:smollm2-135m-instruct"), prompts, max_tokens=24)
    folder = packaged_model("smollm2-135m-instruct")
    assert got == texts(on_torch(folder), prompts, max_tokens=24)
    assert "Paris" in got[0]
