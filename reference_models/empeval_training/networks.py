"""From an encoder to a network that trains, and back to a folder that anybody can load."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from empeval import HubError, UsageError
from empeval.toolkit import locate
from empeval_empathy.config import EmpathyConfig
from empeval_empathy.modeling import MODELS, EmpathyModel
from empeval_training.frozen import check_frozen, freeze_lower
from empeval_training.recipe import ARCHITECTURE, Recipe
from empeval_training.scales import as_config

LAYERS = ("query", "key", "value", "dense", "q", "k", "v", "o")
"""The linear layers of BERT, RoBERTa and MPNet encoders, by the end of their names."""


def encoder_folder(name: str) -> Path:
    """The folder of a pretrained encoder: packaged, local, or fetched from the hub.

    Raises:
        HubError: the hub cannot be reached or has no such model.
    """
    try:
        return locate(name)
    except HubError as error:
        said = f"{error} Or train on the packaged encoder: --config minilm."
        raise error.reworded(said) from error


def load_tokenizer(folder: Path) -> Any:
    """The tokenizer of a pretrained encoder.

    Raises:
        UsageError: the folder holds none that transformers can load, or one without the tokens
            that stand before and after a text.
    """
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # broken files raise whatever they like
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{folder} has no tokenizer that can be loaded: {reason}") from error
    ends = (
        (tokenizer.cls_token_id, tokenizer.bos_token_id),
        (tokenizer.sep_token_id, tokenizer.eos_token_id),
    )
    if any(first is None and other is None for first, other in ends):
        raise UsageError(f"The tokenizer in {folder} has no cls and sep (or bos and eos) tokens.")
    return tokenizer


def build_model(recipe: Recipe, folder: Path, emotions: tuple[str, ...]) -> EmpathyModel:
    """A fresh model of the recipe's kind on a pretrained encoder.

    Raises:
        UsageError: the folder holds no encoder that transformers can load, or one that reads
            fewer tokens than the recipe's ``max_length``.
    """
    encoder = read_encoder(folder, recipe.encoder, recipe.max_length)
    if recipe.encoder_dropout is not None:
        # Without dropout in the attention torch takes its fused kernel for it.
        encoder.config.hidden_dropout_prob = recipe.encoder_dropout
        encoder.config.attention_probs_dropout_prob = 0.0
    facts = encoder.config.to_dict()
    facts.pop("_name_or_path", None)  # a folder of this machine
    config = EmpathyConfig(
        encoder=facts,
        encoder_name=recipe.encoder,
        architecture=ARCHITECTURE[recipe.model],
        pooling=recipe.pooling,
        max_length=recipe.max_length,
        dropout=recipe.dropout,
        lambda_emo=recipe.lambda_emo,
        scales=as_config(),
        topic=topic_of(recipe, encoder.config.num_hidden_layers),
        id2label=dict(enumerate(emotions)),
        label2id={emotion: number for number, emotion in enumerate(emotions)},
    )
    model = MODELS[config.architecture](config)
    weights = {k: v for k, v in encoder.state_dict().items() if not k.startswith("pooler.")}
    model.encoder.load_state_dict(weights)
    return model


def topic_of(recipe: Recipe, layers: int) -> dict[str, Any] | None:
    """``EmpathyConfig.topic`` of a recipe: the middle layer, which knows best what a text is
    about once the upper ones have learned to judge it, and the last.
    """
    if not recipe.topic_epochs:
        return None
    return {"layers": sorted({max(1, layers // 2), layers}), "width": recipe.topic_width}


def read_encoder(folder: Path, name: str, max_length: int) -> Any:
    """A pretrained encoder in float32.

    Raises:
        UsageError: the folder holds no encoder that transformers can load, or one that reads
            fewer tokens than ``max_length``.
    """
    from transformers import AutoModel

    try:
        encoder = AutoModel.from_pretrained(
            folder, dtype=torch.float32, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # broken files raise whatever they like
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UsageError(f"{folder} cannot be loaded as an encoder: {reason}") from error
    most = positions(encoder.config)
    if most is not None and max_length > most:
        raise UsageError(
            f"max_length is {max_length}, but the encoder {name} reads at most "
            f"{most} tokens. Give: --set max_length={most}"
        )
    return encoder


def linear_layers(encoder: Any) -> list[str]:
    """Which of ``LAYERS`` an encoder has."""
    ends = {name.rpartition(".")[2] for name, part in encoder.named_modules()
            if isinstance(part, nn.Linear)}  # fmt: skip
    return [name for name in LAYERS if name in ends]


def positions(config: Any) -> int | None:
    """The most tokens that an encoder reads; ``None`` where it does not say.

    RoBERTa and its kin number positions from the padding token's number plus one.
    """
    most: int | None = getattr(config, "max_position_embeddings", None)
    if most is not None and config.model_type in ("roberta", "xlm-roberta", "camembert", "mpnet"):
        most -= (config.pad_token_id or 0) + 1
    return most


def adapt(model: EmpathyModel, recipe: Recipe) -> Any:
    """The model as it trains: itself, or with low-rank adapters in its encoder.

    Raises:
        UsageError: the recipe freezes more layers than the encoder has.
    """
    frozen = recipe.frozen_layers
    count = model.encoder.config.num_hidden_layers
    check_frozen(model.encoder, frozen)
    if recipe.method == "full":
        if frozen:
            freeze_lower(model.encoder, frozen)
            for name, part in model.encoder.encoder.named_children():
                if name != "layer":  # the frozen layers use it too (MPNet's positions)
                    part.requires_grad_(False)
        return model
    from peft import LoraConfig, get_peft_model

    heads = [name for name, _ in model.named_children() if name not in ("encoder", "dropout")]
    adapters = LoraConfig(
        r=recipe.lora_rank,
        lora_alpha=2 * recipe.lora_rank,
        lora_dropout=recipe.dropout if recipe.encoder_dropout is None else 0.0,
        target_modules=linear_layers(model.encoder),
        modules_to_save=heads,
        layers_to_transform=list(range(frozen, count)) if frozen else None,
        layers_pattern="layer" if frozen else None,
    )
    return get_peft_model(model, adapters)


@contextlib.contextmanager
def encoder_kept(encoder: nn.Module) -> Iterator[None]:
    """Nothing of the encoder trains meanwhile, adapters included."""
    training = [weight for weight in encoder.parameters() if weight.requires_grad]
    for weight in training:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in training:
            weight.requires_grad_(True)


def merge(network: Any) -> Any:
    """The plain model, adapters merged into its weights."""
    plain = network.merge_and_unload() if hasattr(network, "merge_and_unload") else network
    return plain.eval()


def trainable_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that training changes, by name."""
    wanted = {name for name, weight in network.named_parameters() if weight.requires_grad}
    state = network.state_dict()
    return {name: state[name].detach().cpu().contiguous() for name in state if name in wanted}


class Pretraining(nn.Module):  # type: ignore[misc]  # torch is not followed
    """A model's encoder with a classifier of comments on top.

    Args:
        model: whose ``pool`` is used.
        network: the same model as it trains.
        shares: of the comments that have each class, shape (classes,). The classifier starts
            from their log-odds: starting from even odds, all logits must fall first, and at a
            high learning rate the encoder then learns to say the same of every comment.
    """

    def __init__(self, model: EmpathyModel, network: nn.Module, shares: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        self.classify = nn.Linear(model.encoder.config.hidden_size, len(shares))
        with torch.no_grad():
            self.classify.bias.copy_(torch.logit(torch.tensor(shares), eps=1e-3))
        self._pool = model.pool

    def forward(self, rows: dict[str, torch.Tensor], labels: torch.Tensor) -> dict[str, Any]:
        """Binary cross-entropy over the classes; logits of shape (batch, classes)."""
        logits = self.classify(self._pool(rows))
        loss = nn.functional.binary_cross_entropy_with_logits(logits, labels)
        return {"loss": loss, "logits": logits}


def save_adapter(network: Any, encoder: str, folder: Path) -> None:
    """Save what was trained as a PEFT adapter in half precision, with the model's configuration.

    ``config.json`` names the encoder whose weights the adapter goes with.
    """
    from safetensors.torch import load_file, save_file

    shutil.rmtree(folder, ignore_errors=True)
    network.peft_config["default"].base_model_name_or_path = encoder
    network.save_pretrained(folder, save_embedding_layers=False)
    weights = folder / "adapter_model.safetensors"
    small = {name: weight.half() for name, weight in load_file(weights).items()}
    save_file(small, weights, metadata={"format": "pt"})
    network.get_base_model().config.save_pretrained(folder)
