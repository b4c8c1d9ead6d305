"""Tokens a second of ``hf:`` on a GPU, and the share of what the card could do at most.

    python benchmarks/gpu_throughput.py [--shapes 1.5b 8b] [--replies 1024] [--ways plain hf]

The models have random weights in the shapes of real ones, in bfloat16, for how fast they are does
not depend on what they say; they are made and deleted again. Each answers the same dialogues, four
of which begin alike, with as many tokens as ``--new`` says. *plain* is transformers' ``generate``
with 64 padded prompts at a time, the longest first, as harnesses call it; *hf* is ``hf:``. Loading
is not counted.

*Limit* is the least time that the card could take, of what was measured on it first: all products
of the prompts at the rate of a large matrix product, and for every step of answers, all rows at
once, the weights and the keys and values read at the rate of a large copy.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate

from empeval import Item, Message, Sampling
from empeval.answering import open_model

SHAPES: dict[str, dict[str, Any]] = {
    "tiny": {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
             "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 512},
    "135m": {"hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
             "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49_152,
             "tie_word_embeddings": True},
    "1.5b": {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28,
             "num_attention_heads": 12, "num_key_value_heads": 2, "vocab_size": 151_936,
             "tie_word_embeddings": True},
    "8b": {"hidden_size": 4096, "intermediate_size": 14_336, "num_hidden_layers": 32,
           "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 128_256},
}  # fmt: skip
PLAIN_ROWS = 64


def make_model(shape: str, folder: Path, device: str) -> Path:
    """A folder with random weights and a tokenizer of bytes."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = ["<pad>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    base = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(alphabet)}, merges=[]))
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    base.decoder = decoders.ByteLevel()
    template = "{% for m in messages %}{{ m.content }}\n{% endfor %}"
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=base, pad_token="<pad>", chat_template=template
    )
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(
        **SHAPES[shape], max_position_embeddings=8192, bos_token_id=None, eos_token_id=None
    )
    torch.manual_seed(0)
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device(device):
            model = LlamaForCausalLM(config)
    finally:
        torch.set_default_dtype(default)
    model.save_pretrained(folder)
    return folder


def make_items(count: int) -> list[Item]:
    """Prompts of 100 to 400 letters and spaces, a token each; four in turn begin alike."""
    rng = random.Random(0)
    items = []
    for number in range(count):
        if number % 4 == 0:
            shared = words(rng, rng.randrange(50, 200))
        text = shared + words(rng, rng.randrange(50, 200))
        items.append(
            Item(id=str(number), task="gpu", cluster=str(number // 4),
                 messages=(Message(role="user", content=text),))
        )  # fmt: skip
    return items


def words(rng: random.Random, length: int) -> str:
    """So many letters and spaces."""
    return "".join(rng.choice("abcdefghijklmnopqrstuvwxyz     ") for _ in range(length))


def plainly(
    folder: Path, device: str, items: Sequence[Item], new: int
) -> Generator[float, None, None]:
    """Seconds of each time that transformers' ``generate`` answers all items."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).to(device)
    texts = sorted((f"{item.messages[0].content}\n" for item in items), key=len, reverse=True)
    while True:
        started = time.perf_counter()
        with torch.inference_mode():
            for first in range(0, len(texts), PLAIN_ROWS):
                batch = tokenizer(
                    texts[first : first + PLAIN_ROWS], return_tensors="pt", padding=True
                ).to(device)
                options = {"do_sample": False, "max_new_tokens": new, "pad_token_id": 0}
                model.generate(**batch, **options).tolist()
        yield time.perf_counter() - started


def through_hf(
    folder: Path, device: str, items: Sequence[Item], new: int
) -> Generator[float, None, None]:
    """Seconds of each time that ``hf:`` answers all items."""
    sampling = Sampling(max_tokens=new)
    model = open_model(f"hf:{folder}", {"device": device})
    try:
        model.prepare({"gpu": items})
        while True:
            started = time.perf_counter()
            asked = [item for group in model.plan(items, sampling) for item in group]
            answers = list(model.generate(asked, sampling))
            yield time.perf_counter() - started
            assert len(answers) == len(items), len(answers)
            counted = {answer.completion_tokens for answer in answers}
            assert counted == {new}, counted
    finally:
        model.close()


def rates(device: str) -> tuple[float, float]:
    """Operations of a bfloat16 matrix product and bytes of a copy, read and written, a second."""
    import torch

    size = 8192 if device == "cuda" else 512
    one = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    other = torch.randn(size, size, dtype=torch.bfloat16, device=device)
    source = torch.empty(2**32 if device == "cuda" else 2**24, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    product = best(lambda: one @ other, device)
    copy = best(lambda: target.copy_(source), device)
    return 2 * size**3 / product, 2 * source.numel() / copy


def best(work: Any, device: str, times: int = 10) -> float:
    """The median of seconds after three times that do not count."""
    import torch

    taken = []
    for number in range(times + 3):
        if device == "cuda":
            torch.cuda.synchronize()
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        if number >= 3:
            taken.append(time.perf_counter() - started)
    return sorted(taken)[len(taken) // 2]


def limit(shape: str, lengths: Sequence[int], new: int, product: float, copy: float) -> float:
    """Seconds that the card must take."""
    s = SHAPES[shape]
    head = s["hidden_size"] // s["num_attention_heads"]
    kept = s["num_key_value_heads"] * head
    layer = s["hidden_size"] * (2 * s["hidden_size"] + 2 * kept + 3 * s["intermediate_size"])
    weights = layer * s["num_hidden_layers"] + s["hidden_size"] * s["vocab_size"]
    cached = 2 * 2 * kept * s["num_hidden_layers"]  # bytes of a token
    reading = 2 * layer * s["num_hidden_layers"] * sum(lengths) / product
    read = sum((length + new / 2) * new for length in lengths) * cached
    return float(reading + (new * 2 * weights + read) / copy)


WAYS = {"plain": plainly, "hf": through_hf}


def main() -> int:
    """Measure what was asked for."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["135m", "1.5b", "8b"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))  # fmt: skip
    parser.add_argument("--replies", type=int, default=1024)
    parser.add_argument("--new", type=int, default=128, help="tokens of an answer")
    parser.add_argument("--rounds", type=int, default=2, help="after one that does not count")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--folder", help="where weights are written for a while, up to 17 GB")
    options = parser.parse_args()
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no GPU here; --device cpu --shapes tiny is a rehearsal")
    product, copy = rates(options.device)
    name = torch.cuda.get_device_name() if options.device == "cuda" else "a rehearsal"
    print(f"{name}: {product / 1e12:.0f} TFLOP/s in bfloat16, {copy / 1e12:.2f} TB/s", flush=True)
    items = make_items(options.replies)
    lengths = [len(item.messages[0].content) + 1 for item in items]
    rows = []
    for shape in options.shapes:
        least = limit(shape, lengths, options.new, product, copy)
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            made = make_model(shape, Path(folder), options.device)
            for way in options.ways:
                times = WAYS[way](made, options.device, items, options.new)
                try:
                    taken = [next(times) for _ in range(options.rounds + 1)][1:]
                except Exception as error:  # one way that fails leaves the others
                    print(f"{shape} {way} failed: {type(error).__name__}: {error}", file=sys.stderr)
                    continue
                finally:
                    times.close()
                seconds = min(taken)
                rows.append([
                    shape, way, f"{seconds:.2f}", f"{options.replies * options.new / seconds:,.0f}",
                    f"{(sum(lengths) + options.replies * options.new) / seconds:,.0f}",
                    f"{100 * least / seconds:.1f}",
                ])  # fmt: skip
                print(*rows[-1], flush=True)
                if options.device == "cuda":
                    torch.cuda.empty_cache()
    head = ["shape", "way", "s", "new tokens/s", "with prompts/s", "% of the limit"]
    print(tabulate(rows, head, disable_numparse=True, tablefmt="github"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
