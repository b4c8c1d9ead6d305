"""Random encoders of a few thousand weights, and prepared examples from our own chats."""

from __future__ import annotations

import random
from pathlib import Path

import msgspec

RATED_SETS = ("epitome", "ratings-1-3", "exchanges-1-5")
"""Whose test part every trained model is measured on."""


def make_tiny_encoder(folder: Path, kind: str = "bert", layers: int = 1) -> Path:
    """A random BERT, RoBERTa or MPNet with a word-level tokenizer, as a folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertModel,
        MPNetConfig,
        MPNetModel,
        PreTrainedTokenizerFast,
        RobertaConfig,
        RobertaModel,
    )

    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    if kind == "mpnet":  # its padding is number 1, whatever its configuration says
        specials[:2] = specials[1::-1]
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
        model_input_names=[*names, "token_type_ids"] if kind == "bert" else names,
    ).save_pretrained(folder)
    torch.manual_seed(0)
    size = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": layers,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": 96,
        "pad_token_id": vocabulary["[PAD]"],
    }
    if kind == "roberta":
        RobertaModel(RobertaConfig(**size, type_vocab_size=1)).save_pretrained(folder)
    elif kind == "mpnet":
        MPNetModel(MPNetConfig(**size)).save_pretrained(folder)
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
    from msgspec.structs import replace

    from empeval_empathy.emotions import MECHANISMS
    from empeval_tasks.ed_mini.task import EDMini
    from empeval_training.examples import Example
    from empeval_training.scales import of_label

    dice = random.Random(split_name)
    drawn = [
        Example(
            id=f"{split_name} {item.id}",
            split=split_name,
            conversation=f"{split_name} {item.cluster}",
            emotion=item.target["emotion"],
            context=tuple(m.content for m in item.messages if m.role != "system"),
            reply=item.reference,
            empathy=round(dice.uniform(1, 5), 3),
            mechanisms=tuple(round(dice.uniform(0, 2), 3) for _ in range(3)),
        )
        for item in EDMini().items()
    ]
    return [
        of_label(replace(e, ratings=dict(zip(MECHANISMS, e.mechanisms, strict=True))))
        for e in drawn
    ]


def tiny_rated():
    """The same chats as replies that people rated: a third of them for each set."""
    from msgspec.structs import replace

    dice = random.Random("people")
    return [
        replace(
            example,
            variant=f"rated:{RATED_SETS[number % 3]}",
            empathy=float(dice.randint(1, 5)),
            mechanisms=tuple(float(dice.randint(0, 2)) for _ in range(3)),
        )
        for number, example in enumerate(tiny_examples("rated"))
    ]


def make_prepared(folder: Path) -> Path:
    """A folder as ``empeval train prepare-ed`` writes it."""
    from empeval_tasks.dialogues import EMOTIONS
    from empeval_training.data import Prepared, write_json

    folder.mkdir(parents=True, exist_ok=True)
    every = {name: tiny_examples(name) for name in ("train", "validation", "test")}
    for name, examples in (every | {"rated": tiny_rated()}).items():
        lines = b"".join(msgspec.json.encode(e) + b"\n" for e in examples)
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
