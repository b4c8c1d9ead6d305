"""The same answers in the layouts of many programs, each with fields that we do not read."""

from __future__ import annotations

import csv
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow
import pyarrow.parquet

from empeval import Item

Pairs = Sequence[tuple[Item, str]]


def asked(item: Item) -> list[dict[str, Any]]:
    return [{"role": m.role, "content": m.content} for m in item.messages]


def text_of(item: Item) -> str:
    return item.messages[-1].content


def lines(rows: Sequence[Any]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def document(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()


def plain(pairs: Pairs) -> list[dict[str, Any]]:
    return [{"id": item.id, "response": text} for item, text in pairs]


def table(pairs: Pairs, delimiter: str = ",", mark: str = "") -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, ["id", "response", "note"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows(row | {"note": "x"} for row in plain(pairs))
    return (mark + text.getvalue()).encode()


def parquet(pairs: Pairs) -> bytes:
    buffer = io.BytesIO()
    rows = [row | {"id": float(row["id"])} for row in plain(pairs)]  # as pandas writes them
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def lm_eval_rows(pairs: Pairs, prompt: Callable[[Item], Any] = text_of) -> list[dict[str, Any]]:
    return [
        {
            "doc_id": index,
            "doc": {"text": "a row of the data set"},
            "target": "",
            "arguments": {"gen_args_0": {"arg_0": prompt(item), "arg_1": {"until": ["\n\n"]}}},
            "resps": [[text]],
            "filtered_resps": [text.upper()],
            "filter": "none",
            "metrics": ["x"],
            "x": float("nan"),
        }
        for index, (item, text) in enumerate(pairs)
    ]


def chat_template(item: Item) -> str:
    turns = (f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in asked(item))
    return "<|im_start|>system\nBe kind.<|im_end|>\n" + "".join(turns) + "<|im_start|>assistant\n"


def inspect_samples(pairs: Pairs) -> list[dict[str, Any]]:
    return [
        {
            "id": index,
            "epoch": 1,
            "input": text_of(item),
            "target": "",
            "messages": [
                {"role": "system", "content": "Be kind."},
                {"role": "user", "content": "attachment://a1", "source": "input"},
                {"role": "assistant", "content": text, "source": "generate"},
            ],
            "attachments": {"a1": text_of(item)},
            "output": {
                "model": "m",
                "choices": [
                    {
                        "message": {
                            "role": "assistant",
                            "content": [
                                {"type": "reasoning", "reasoning": "hm"},
                                {"type": "text", "text": text},
                            ],
                        },
                        "stop_reason": "stop",
                    }
                ],
                "usage": {"input_tokens": 7, "output_tokens": 3},
                "time": 0.5,
            },
            "scores": {},
        }
        for index, (item, text) in enumerate(pairs, 1)
    ]


INSPECT = {"version": 2, "status": "success", "eval": {"task": "t", "model": "hf/m"}}


def inspect_json(pairs: Pairs) -> bytes:
    return document({**INSPECT, "samples": inspect_samples(pairs)})


def inspect_eval(pairs: Pairs, method: int = zipfile.ZIP_DEFLATED) -> bytes:
    held = {f"samples/{s['id']}_epoch_1.json": s for s in inspect_samples(pairs)}
    files = {"_journal/start.json": INSPECT, **held, "header.json": INSPECT}
    return archive({name: json.dumps(value).encode() for name, value in files.items()}, method)


def archive(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip; ``method`` 93 is Zstandard, which ``zipfile`` does not write before Python 3.14."""
    buffer = io.BytesIO()
    if method != 93:
        with zipfile.ZipFile(buffer, "w", method) as target:
            for name, data in files.items():
                target.writestr(name, data)
        return buffer.getvalue()
    directory = b""
    for name, data in files.items():
        packed = pyarrow.compress(data, codec="zstd", asbytes=True)
        sizes = struct.pack("<III", zlib.crc32(data), len(packed), len(data))
        common = struct.pack("<HHHHH", 63, 0, 93, 0, 33) + sizes + struct.pack("<HH", len(name), 0)
        offset = buffer.tell()
        buffer.write(b"PK\x03\x04" + common + name.encode() + packed)
        directory += b"PK\x01\x02" + struct.pack("<H", 63) + common
        directory += struct.pack("<HHHII", 0, 0, 0, 0, offset) + name.encode()
    start = buffer.tell()
    counts = struct.pack("<HHHHIIH", 0, 0, len(files), len(files), len(directory), start, 0)
    buffer.write(directory + b"PK\x05\x06" + counts)
    return buffer.getvalue()


def batch_row(identifier: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    return {
        "id": f"batch_req_{identifier}",
        "custom_id": identifier,
        "response": {"status_code": status, "request_id": "r", "body": body},
        "error": None,
    }


def chat_body(text: Any, reason: str = "stop", **message: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, **message}
    choices = [{"index": 0, "message": message, "finish_reason": reason}]
    usage = {"prompt_tokens": 7, "completion_tokens": 3}
    return {"object": "chat.completion", "model": "m", "choices": choices, "usage": usage}


def openai_batch(pairs: Pairs) -> bytes:
    return lines([batch_row(item.id, chat_body(text)) for item, text in pairs])


def openai_responses(pairs: Pairs) -> bytes:
    def body(text: str) -> dict[str, Any]:
        said = {"type": "message", "content": [{"type": "output_text", "text": text}]}
        return {"object": "response", "output": [{"type": "reasoning", "summary": []}, said]}

    return lines([batch_row(item.id, body(text)) for item, text in pairs])


def openai_completions(pairs: Pairs) -> bytes:
    def body(text: str) -> dict[str, Any]:
        return {"choices": [{"text": text, "finish_reason": "stop"}]}

    return lines([batch_row(item.id, body(text)) for item, text in pairs])


def promptfoo_rows(pairs: Pairs, provider: Any = None) -> list[dict[str, Any]]:
    return [
        {
            "testIdx": index,
            "promptIdx": 0,
            "vars": {"question": "x"},
            "prompt": {"raw": json.dumps(asked(item)), "label": "p"},
            "provider": provider or {"id": "openai:m", "label": ""},
            "response": {"output": text, "tokenUsage": {"prompt": 7, "completion": 3}},
            "latencyMs": 250,
            "success": True,
        }
        for index, (item, text) in enumerate(pairs)
    ]


def promptfoo(pairs: Pairs) -> bytes:
    results = {"version": 3, "results": promptfoo_rows(pairs), "stats": {}}
    return document({"evalId": "eval-1", "results": results, "config": {}})


def llm_logs(pairs: Pairs) -> bytes:
    return document(
        [
            {
                "id": f"01{index:04}",
                "model": "m",
                "prompt": text_of(item),
                "system": "Be kind.",
                "response": text,
                "conversation_id": f"c{index}",
                "duration_ms": 250,
                "datetime_utc": f"2026-01-01T00:00:{index:02}",
            }
            for index, (item, text) in enumerate(pairs)
        ]
    )


def messages(pairs: Pairs) -> bytes:
    return lines(
        [
            {"messages": [*asked(item), {"role": "assistant", "content": text}]}
            for item, text in pairs
        ]
    )


def sharegpt(pairs: Pairs) -> bytes:
    names = {"system": "system", "user": "human", "assistant": "gpt"}
    rows = []
    for item, text in pairs:
        turns = [{"from": names[m.role], "value": m.content} for m in item.messages]
        rows.append({"conversations": [*turns, {"from": "gpt", "value": text}]})
    return document(rows)


LAYOUTS: dict[str, Callable[[Pairs], bytes]] = {
    "answers.jsonl": lambda pairs: lines(plain(pairs)),
    "answers.json": lambda pairs: document(plain(pairs)),
    "answers.csv": table,
    "excel.csv": lambda pairs: table(pairs, ";", "\ufeff"),
    "answers.tsv": lambda pairs: table(pairs, "\t"),
    "csv-by-content.txt": table,
    "answers.parquet": parquet,
    "parquet-by-content.bin": parquet,
    "samples_t_2026.jsonl": lambda pairs: lines(lm_eval_rows(pairs)),
    "samples_chat.jsonl": lambda pairs: lines(lm_eval_rows(pairs, chat_template)),
    "samples_server.jsonl": lambda pairs: lines(
        lm_eval_rows(pairs, lambda item: json.dumps(asked(item)))
    ),
    "samples_tuples.jsonl": lambda pairs: lines(
        lm_eval_rows(pairs, lambda item: [json.dumps(asked(item))])
    ),
    "samples_messages.jsonl": lambda pairs: lines(lm_eval_rows(pairs, asked)),
    "samples_lists.jsonl": lambda pairs: lines(
        [
            {**row, "arguments": [[text_of(item), {"until": []}]]}
            for row, (item, _) in zip(lm_eval_rows(pairs), pairs, strict=True)
        ]
    ),
    "inspect.json": inspect_json,
    "inspect.eval": inspect_eval,
    "zstandard.eval": lambda pairs: inspect_eval(pairs, 93),
    "batch_output.jsonl": openai_batch,
    "batch_responses.jsonl": openai_responses,
    "batch_completions.jsonl": openai_completions,
    "promptfoo.json": promptfoo,
    "promptfoo.jsonl": lambda pairs: lines(promptfoo_rows(pairs)),
    "llm.json": llm_logs,
    "messages.jsonl": messages,
    "sharegpt.json": sharegpt,
}
