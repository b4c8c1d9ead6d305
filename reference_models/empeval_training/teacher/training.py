"""Trains the teacher, and applies it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors.torch import load_file

from empeval import UsageError
from empeval.auditing.rated import Part, RatedSet
from empeval.batching import by_length
from empeval_empathy.views import ViewBuilder
from empeval_training.answers import QUESTION, RESULT, finished, read_json
from empeval_training.data import make_folder, write_json
from empeval_training.frozen import LowerStates, UpperLayers, check_frozen, freeze_lower
from empeval_training.networks import encoder_folder, load_tokenizer, read_encoder
from empeval_training.progress import bar, quiet, say
from empeval_training.stages import Stage, run_stage
from empeval_training.teacher.data import (
    GroupCollator,
    Groups,
    free_groups,
    full_rows,
    read_rated_sets,
)
from empeval_training.teacher.network import Teacher
from empeval_training.teacher.recipe import TeacherRecipe
from empeval_training.teacher.targets import HEADS, NAMES, TeacherRow, rated_groups

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
        groups = rated_groups([s.only("train") for s in sets], raters, seed)
        taken = conversations(sets)
        free = free_groups(recipe.free_turns, taken, seed)
        say(f"{len(groups)} rated dialogues, {len(free)} free turns, {len(raters)} raters")
        reader = TeacherReader(recipe, len(raters))
        make_folder(out)
        write_json(out / QUESTION, question)
        write_json(out / "raters.json", raters)
        data = Groups([*groups, *free], reader.views)
        reader.states.compute([r for rows in data.rows for r in rows], "frozen layers")
        stage = Stage(STAGE, recipe.epochs, metric=None)
        run_stage(
            stage, recipe, reader.network, data, None, GroupCollator(reader.states), out, seed
        )
        answer = {
            **question,
            "rows": sum(len(rows) for rows in data.rows),
            "raters": len(raters),
            "validation": measure(reader, [s.only("validation") for s in sets], out),
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
        folder = encoder_folder(recipe.encoder)
        tokenizer = load_tokenizer(folder)
        encoder = read_encoder(folder, recipe.encoder, recipe.max_length)
        check_frozen(encoder, recipe.frozen_layers)
        freeze_lower(encoder, recipe.frozen_layers)
        self.bf16 = recipe.precision == "bf16"
        self.views = ViewBuilder(tokenizer, recipe.max_length)
        self.states = LowerStates(encoder, recipe.frozen_layers, self.views, bf16=self.bf16)
        self.network = Teacher(UpperLayers(encoder, recipe.frozen_layers), raters, recipe.dropout)

    @classmethod
    def load(cls, out: Path, encoder: str | None = None) -> TeacherReader:
        """A trained teacher from the folder of its run.

        Raises:
            UsageError: the folder holds no finished teacher.
        """
        weights = out / "stages" / f"{STAGE}.safetensors"
        if not weights.is_file():
            raise UsageError(f"{out} holds no finished teacher; train it: empeval train teacher")
        question = read_json(out / QUESTION)
        recipe = msgspec.convert(question["recipe"], TeacherRecipe)
        reader = cls(recipe, len(read_json(out / "raters.json")))
        reader.network.load_state_dict(load_file(weights), strict=False)
        return reader

    @property
    def device(self) -> torch.device:
        """Where the network is; the frozen layers stay on the CPU."""
        return self.network.hidden.weight.device

    def latents(self, rows: Sequence[TeacherRow], what: str = "teacher") -> np.ndarray:
        """The heads' latents of rows, shape (rows, heads), in the order of ``HEADS``."""
        self.network.eval()
        full = full_rows(rows, self.views)
        result = np.zeros((len(rows), len(HEADS)))
        order = by_length([len(row.ids) for row in full], 2048)
        collator = GroupCollator(self.states)
        with torch.inference_mode():
            for batch in bar(list(order), f"{what}, batches"):
                some = [full[i] for i in batch]
                self.states.compute(some, "")
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
                    tensors = {k: v.to(self.device) for k, v in collator.tensors(some).items()}
                    found = self.network.latents(tensors)
                result[batch] = found.float().cpu().numpy()
                self.states.forget()
        return result

    def expected(self, latents: np.ndarray) -> np.ndarray:
        """Expected ratings of the heads, shape (rows, heads)."""
        with torch.inference_mode():
            given = torch.tensor(latents, dtype=torch.float32, device=self.device)
            expected: np.ndarray = self.network.expected(given).cpu().numpy()
        return expected


def kept_latents(reader: TeacherReader, rated: RatedSet, part: Part, out: Path) -> np.ndarray:
    """The teacher's latents of a rated set's part, (replies, heads); kept beside the teacher.

    Args:
        reader: the teacher.
        rated: the part's replies.
        part: which.
        out: the folder of the teacher's run.
    """
    kept = out / f"{part}-{rated.name}.npy"
    if kept.is_file():
        found: np.ndarray = np.load(kept, allow_pickle=False)
        if len(found) == len(rated.replies):
            return found
    with quiet():
        found = reader.latents([TeacherRow(r.context, r.reply) for r in rated.replies], rated.name)
    np.save(kept, found)
    return found


def measure(
    reader: TeacherReader, sets: Sequence[RatedSet], out: Path
) -> dict[str, dict[str, float]]:
    """Spearman's correlation of each head with its ratings on the validation part.

    Args:
        reader: the teacher.
        sets: of that part.
        out: the folder of the teacher's run.
    """
    from scipy.stats import spearmanr

    figures: dict[str, dict[str, float]] = {}
    for rated in sets:
        latents = kept_latents(reader, rated, "validation", out)
        for number, head in enumerate(HEADS):
            if head.rated_set != rated.name:
                continue
            said = [reply.mean(head.dimension) for reply in rated.replies]
            figures[head.name] = {
                "n": len(said),
                "spearman": round(float(spearmanr(latents[:, number], said).statistic), 4),
            }
    return {name: figures[name] for name in NAMES if name in figures}
