"""Random encoders of a few thousand weights, and prepared examples from our own chats."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec


def make_tiny_encoder(folder: Path, kind: str = "bert") -> Path:
    """A random BERT or RoBERTa with a word-level tokenizer, as a folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertModel,
        PreTrainedTokenizerFast,
        RobertaConfig,
        RobertaModel,
    )

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    words = sorted({w for e in tiny_examples("train") for w in split(*e.context, e.reply)})
    vocabulary = {word: number for number, word in enumerate([*specials, *words])}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    names = ["input_ids", "attention_mask"]
    PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=names if kind == "roberta" else [*names, "token_type_ids"],
    ).save_pretrained(folder)
    torch.manual_seed(0)
    size = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 96,
        "pad_token_id": 0,
    }
    if kind == "roberta":
        RobertaModel(RobertaConfig(**size, type_vocab_size=1)).save_pretrained(folder)
    else:
        BertModel(BertConfig(**size)).save_pretrained(folder)
    return folder


def split(*texts: str) -> list[str]:
    """The tokens that the tiny tokenizer makes of texts."""
    from tokenizers import pre_tokenizers

    splitter = pre_tokenizers.Whitespace()
    return [word for text in texts for word, _ in splitter.pre_tokenize_str(text)]


def tiny_examples(split_name: str):
    """Labelled examples of the chats that come with empeval; the labels are drawn."""
    from empeval_tasks.ed_mini.task import EDMini
    from empeval_training.examples import Example

    dice = random.Random(split_name)
    return [
        Example(
            id=f"{split_name} {item.id}",
            split=split_name,
            conversation=f"{split_name} {item.cluster}",
            emotion=item.target["emotion"],
            context=tuple(m.content for m in item.messages if m.role != "system"),
            reply=item.reference,
            empathy=round(dice.uniform(1, 5), 3),
        )
        for item in EDMini().items()
    ]


def make_prepared(folder: Path) -> Path:
    """A folder as ``empeval train prepare-ed`` writes it."""
    from empeval_tasks.dialogues import EMOTIONS
    from empeval_training.data import Prepared, write_json

    folder.mkdir(parents=True, exist_ok=True)
    for name in ("train", "validation", "test"):
        lines = b"".join(msgspec.json.encode(e) + b"\n" for e in tiny_examples(name))
        (folder / f"{name}.jsonl").write_bytes(lines)
    prepared = Prepared(
        fingerprint="sha256:tiny",
        emotions=EMOTIONS,
        counts={},
        seed=0,
        conversations={},
        labeller="none",
        licenses={"our own chats": "Apache-2.0"},
    )
    write_json(folder / "prepared.json", msgspec.to_builtins(prepared))
    return folder
