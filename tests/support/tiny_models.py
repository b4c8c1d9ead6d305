"""Tiny models with a tokenizer of bytes: random ones of several families, and scripted ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BOS, EOS, PAD = "<s>", "</s>", "<pad>"
SPECIAL = (BOS, EOS, PAD)
BYTES = 256
CHATML = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
WIDE = {"intermediate_size": 64, "num_key_value_heads": 2, "max_position_embeddings": 256}


def byte_tokenizer(pieces: Sequence[str] = (), special: Sequence[str] = (), **options: Any) -> Any:
    """A tokenizer of single bytes; each of ``pieces`` is one token as well.

    Args:
        special: those of the pieces that decoding may leave out.
        options: of the tokenizer, such as ``chat_template`` or ``pad_token=None``.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: number for number, token in enumerate([*SPECIAL, *alphabet])}
    base = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    base.decoder = decoders.ByteLevel()
    base.add_tokens([AddedToken(p, normalized=False, special=p in special) for p in pieces])
    named = {"bos_token": BOS, "eos_token": EOS, "pad_token": PAD} | options
    return PreTrainedTokenizerFast(tokenizer_object=base, **named)


def random_config(family: str, **options: Any) -> Any:
    """The configuration of a small model of a family that transformers knows."""
    import transformers as t

    common = {
        "vocab_size": len(SPECIAL) + BYTES,
        "bos_token_id": 0,
        "eos_token_id": 1,
        "pad_token_id": 2,
        "initializer_range": 0.6,  # far-apart logits, which float noise does not turn round
        "tie_word_embeddings": False,
    }
    usual = common | SIZES | WIDE
    made = {
        "llama": lambda: t.LlamaConfig(**usual | options),
        "gpt2": lambda: t.GPT2Config(
            **common | {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256} | options
        ),
        "mistral": lambda: t.MistralConfig(**usual | {"sliding_window": 8} | options),
        "qwen2": lambda: t.Qwen2Config(**usual | options),
        "qwen3": lambda: t.Qwen3Config(**usual | {"head_dim": 8} | options),
        "gemma3": lambda: t.Gemma3TextConfig(
            **usual
            | {"head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8}
            | {"layer_types": ["sliding_attention", "full_attention"]}
            | options
        ),
        "bloom": lambda: t.BloomConfig(**common | {"n_layer": 2, "n_head": 4} | SIZES | options),
        "mamba": lambda: t.MambaConfig(**common | SIZES | {"state_size": 4} | options),
        "mamba2": lambda: t.Mamba2Config(
            **common
            | {"hidden_size": 32, "num_hidden_layers": 2, "num_heads": 8, "head_dim": 8}
            | {"state_size": 8, "n_groups": 1, "chunk_size": 8}
            | options
        ),
        "recurrent_gemma": lambda: t.RecurrentGemmaConfig(
            **usual
            | {"lru_width": 32, "attention_window_size": 8}
            | {"block_types": ["recurrent", "attention"]}
            | options
        ),
        "lfm2": lambda: t.Lfm2Config(
            **usual | {"layer_types": ["conv", "full_attention"], "block_ff_dim": 64} | options
        ),
        "openai-gpt": lambda: t.OpenAIGPTConfig(
            **common | {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256} | options
        ),
    }
    return made[family]()


def make_random_model(
    folder: Path, family: str = "llama", *, tokenizer: Any = None, seed: int = 0, **options: Any
) -> Any:
    """Write a random model as a folder and return it.

    Args:
        folder: where to.
        family: see ``random_config``.
        tokenizer: one of bytes by default.
        seed: of the weights.
        options: of the configuration.
    """
    import torch
    from transformers import AutoModelForCausalLM

    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(random_config(family, **options))
    model.save_pretrained(folder)
    (tokenizer or byte_tokenizer()).save_pretrained(folder)
    return model.eval()


def make_scripted_model(
    folder: Path,
    scripts: Mapping[str, Sequence[str | bytes]],
    *,
    eos: Sequence[str] = (EOS,),
    broken: Sequence[str] = (),
    special: Sequence[str] = (),
    window: int = 512,
    **options: Any,
) -> Any:
    """Write a Llama whose every next token is given by the last one, and return it.

    Its layers add nothing; its head maps each token's embedding to the next token's logit. A
    token without a successor is followed by the end of the text.

    Args:
        folder: where to.
        scripts: last character of a prompt -> the answer to it, piece by piece. A string is one
            token, bytes (of UTF-8) are one each. No token may come twice, but for a last one that
            comes twice in a row: it repeats itself for ever.
        eos: the tokens that end a text.
        broken: characters whose embedding is not a number.
        special: pieces that are special tokens.
        window: of positions.
        options: of the tokenizer.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    pieces = {p for script in scripts.values() for p in script if isinstance(p, str)}
    tokenizer = byte_tokenizer(sorted(pieces - {*SPECIAL}), special, **options)
    size = len(tokenizer)
    ends = [tokenizer.convert_tokens_to_ids(token) for token in eos]
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size + size % 2,
        intermediate_size=4,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=window,
        bos_token_id=0,
        eos_token_id=ends or None,
        pad_token_id=2,
        tie_word_embeddings=False,
    )
    model = LlamaForCausalLM(config)
    following = torch.full((size,), ends[0] if ends else 0)
    seen: set[int] = set()
    for prompt, script in scripts.items():
        last = _ids(tokenizer, prompt)[-1]
        for token in (token for piece in script for token in _ids(tokenizer, piece)):
            assert token == last or token not in seen, f"{token} comes twice"
            following[last] = last = token
            seen.add(token)
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        embeddings, head = model.model.embed_tokens.weight, model.lm_head.weight
        embeddings.copy_(torch.eye(*embeddings.shape))
        head.zero_()
        head[following, torch.arange(size)] = 1.0
        for character in broken:
            embeddings[_ids(tokenizer, character)[-1]] = float("nan")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return model.eval()


def _ids(tokenizer: Any, piece: str | bytes) -> list[int]:
    if piece in SPECIAL:
        return [tokenizer.convert_tokens_to_ids(piece)]
    text = piece if isinstance(piece, str) else piece.decode()
    return list(tokenizer(text, add_special_tokens=False).input_ids)
