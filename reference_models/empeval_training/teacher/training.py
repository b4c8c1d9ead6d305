"""Trains the teacher, and applies it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file

from empeval import UsageError, rows_fingerprint
from empeval.auditing.rated import RatedSet
from empeval.files import replacing
from empeval.toolkit import by_length
from empeval_empathy.views import Row, ViewBuilder
from empeval_training.answers import QUESTION, RESULT, finished, read_json
from empeval_training.data import make_folder, write_json
from empeval_training.frozen import LowerStates, UpperLayers, check_frozen, freeze_lower
from empeval_training.networks import encoder_folder, load_tokenizer, read_encoder
from empeval_training.progress import bar, quiet, say
from empeval_training.stages import Stage, device_name, precision, run_stage
from empeval_training.teacher.data import (
    GroupCollator,
    Groups,
    free_groups,
    full_rows,
    read_rated_sets,
)
from empeval_training.teacher.network import Teacher
from empeval_training.teacher.recipe import TeacherRecipe
from empeval_training.teacher.targets import HEADS, TeacherRow, rated_groups

STAGE = "teacher"


def train_teacher(recipe: TeacherRecipe, ratings: Path, out: Path, *, seed: int) -> dict[str, Any]:
    """Train a teacher on what people said; measure it on the validation part.

    A finished run is left alone; an interrupted one goes on.

    Args:
        recipe: the hyper-parameters.
        ratings: a folder of rated sets; only their training part is trained on.
        out: the folder of the run: ``stages/teacher.safetensors``, ``result.json``.
        seed: of weights, order, dropout and counterfactuals.

    Returns:
        What ``result.json`` holds.

    Raises:
        UsageError: the folder holds another run, or the encoder or the ratings cannot be used.
    """
    sets = read_rated_sets(ratings)
    question = {
        "step": "teacher",
        "recipe": msgspec.to_builtins(recipe),
        "seed": seed,
        "ratings": {s.name: len(s.replies) for s in sets},
    }
    before = finished(out, question)
    if before is not None:
        return before
    with quiet():
        import transformers

        started = time.perf_counter()
        transformers.set_seed(seed)
        raters: dict[str, int] = {}
        training = [s.only("train") for s in sets]
        groups = rated_groups(training, raters, seed, recipe.mechanism_repeats)
        taken = conversations(sets)
        free = free_groups(recipe.free_turns, taken, seed)
        say(f"{len(groups)} rated dialogues, {len(free)} free turns, {len(raters)} raters")
        reader = TeacherReader(recipe, len(raters))
        make_folder(out)
        write_json(out / QUESTION, question)
        write_json(out / "raters.json", raters)
        data = Groups([*groups, *free], reader.views)
        reader.prepare([row for rows in data.rows for row in rows], "frozen layers")
        stage = Stage(STAGE, recipe.epochs, metric=None)
        run_stage(stage, recipe, reader.network, data, None, reader.collator, out, seed)
        validation = [s.only("validation") for s in sets]
        latents = {
            s.name: reader.latents([TeacherRow(r.context, r.reply) for r in s.replies], s.name)
            for s in validation
        }
        answer = {
            **question,
            "rows": sum(len(rows) for rows in data.rows),
            "raters": len(raters),
            "device": device_name(reader.device),
            "validation": measure(validation, latents),
            "thresholds": {
                head.name: [round(step, 6) for step in steps.tolist()]
                for head, steps in zip(HEADS, reader.network.thresholds, strict=True)
            },
            "seconds": round(time.perf_counter() - started, 1),
        }
    write_json(out / RESULT, answer)
    return answer


def conversations(sets: Sequence[Any]) -> frozenset[str]:
    """The EmpatheticDialogues conversations that a rated set is of."""
    return frozenset(
        reply.dialogue.removeprefix("ratings ")
        for rated in sets
        for reply in rated.replies
        if reply.dialogue.startswith("ratings ")
    )


class TeacherReader:
    """A teacher with its tokenizer and its frozen layers.

    Args:
        recipe: the hyper-parameters.
        raters: how many are told apart.
    """

    def __init__(self, recipe: TeacherRecipe, raters: int) -> None:
        self.encoder = recipe.encoder
        folder = encoder_folder(recipe.encoder)
        tokenizer = load_tokenizer(folder)
        encoder = read_encoder(folder, recipe.encoder, recipe.max_length)
        check_frozen(encoder, recipe.frozen_layers)
        if recipe.frozen_layers:
            freeze_lower(encoder, recipe.frozen_layers)
        self.bf16 = precision(recipe.precision)["bf16"]
        self.views = ViewBuilder(tokenizer, recipe.max_length)
        self._lower: LowerStates | None = None
        trained: Any = encoder
        if recipe.frozen_layers:
            self._lower = LowerStates(encoder, recipe.frozen_layers, self.views, bf16=self.bf16)
            trained = UpperLayers(encoder, recipe.frozen_layers)
        self.collator = GroupCollator((self._lower or self.views).tensors)
        self.network = Teacher(trained, raters, recipe.dropout, recipe.counterfactuals)

    @classmethod
    def load(cls, out: Path, encoder: str | None = None) -> TeacherReader:
        """A trained teacher from the folder of its run.

        Raises:
            UsageError: the folder holds no finished teacher.
        """
        weights = out / "stages" / f"{STAGE}.safetensors"
        if not weights.is_file():
            raise UsageError(
                f"{out} holds no weights of a teacher; empeval train teacher makes them"
            )
        question = read_json(out / QUESTION)
        recipe = msgspec.convert(question["recipe"], TeacherRecipe)
        reader = cls(recipe, len(read_json(out / "raters.json")))
        reader.network.load_state_dict(load_file(weights), strict=False)
        reader.network.to("cuda" if torch.cuda.is_available() else "cpu")
        return reader

    @property
    def device(self) -> torch.device:
        """Where the network is; the frozen layers stay on the CPU."""
        return self.network.hidden.weight.device

    def prepare(self, rows: Sequence[Row], what: str) -> None:
        """Compute the frozen layers' states of rows, where layers are frozen."""
        if self._lower is not None:
            self._lower.compute(rows, what)

    def latents(self, rows: Sequence[TeacherRow], what: str = "teacher") -> np.ndarray:
        """The heads' latents of rows, shape (rows, heads), in the order of ``HEADS``."""
        self.network.eval()
        full = full_rows(rows, self.views)
        result = np.zeros((len(rows), len(HEADS)))
        size = 16384 if self.device.type == "cuda" else 2048
        order = by_length([len(row.ids) for row in full], size)
        with torch.inference_mode():
            for batch in bar(list(order), f"{what}, batches"):
                some = [full[i] for i in batch]
                self.prepare(some, "")
                with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.bf16):
                    rows_of = self.collator.tensors(some)
                    found = self.network.latents({k: v.to(self.device) for k, v in rows_of.items()})
                result[batch] = found.float().cpu().numpy()
                if self._lower is not None:
                    self._lower.forget()
        return result


def has_weights(out: Path) -> bool:
    """Whether the folder of a run holds the teacher's weights."""
    return (out / "stages" / f"{STAGE}.safetensors").is_file()


def finished_teacher(out: Path) -> dict[str, Any]:
    """What ``result.json`` of a teacher's run holds.

    Raises:
        UsageError: the folder holds no finished teacher.
    """
    if not (out / RESULT).is_file():
        raise UsageError(f"{out} holds no finished teacher; train it: empeval train teacher")
    return read_json(out / RESULT)


def kept_latents(
    load: Callable[[], TeacherReader], rows: Sequence[TeacherRow], name: str, out: Path
) -> np.ndarray:
    """The teacher's latents of rows, (rows, heads); kept beside the teacher.

    Args:
        load: gives the teacher, where something is to be read.
        rows: what is read.
        name: of the rows, for the file.
        out: the folder of the teacher's run.
    """
    texts = rows_fingerprint([*row.context, row.reply] for row in rows)
    kept = out / f"{name}-{texts[-8:]}.npy"
    if kept.is_file():
        found: np.ndarray = np.load(kept, allow_pickle=False)
        return found
    with quiet():
        found = load().latents(rows, name)
    with replacing(kept) as part, open(part, "wb") as file:
        np.save(file, found)
    return found


def measure(
    sets: Sequence[RatedSet], latents: Mapping[str, np.ndarray]
) -> dict[str, dict[str, float]]:
    """Spearman's correlation of each head with its ratings.

    Args:
        sets: of one part.
        latents: set -> (replies, heads).
    """
    from scipy.stats import spearmanr

    metrics: dict[str, dict[str, float]] = {}
    for number, head in enumerate(HEADS):
        for rated in sets:
            if head.rated_set == rated.name:
                said = [reply.mean(head.dimension) for reply in rated.replies]
                found = spearmanr(latents[rated.name][:, number], said).statistic
                metrics[head.name] = {"n": len(said), "spearman": round(float(found), 4)}
    return metrics
