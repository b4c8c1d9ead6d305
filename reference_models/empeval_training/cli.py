"""``empeval train``: prepare data, train the three models, write what was measured."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from empeval_training.eq.cli import add as add_eq

EPILOG = """examples:
  empeval train prepare-ed --ratings FOLDER --out ed
  empeval train teacher --ratings FOLDER --out teacher
  empeval train prepare-ed --teacher teacher --ratings FOLDER --out ed --conversations 3200
  empeval train baseline --data ed --out runs
  empeval train mvc --data ed --out runs --config minilm --seed 17,39,43
  empeval train mvc --data ed --out runs --config minilm --sweep lambda_emo=0.3,0.1,0.05
  empeval train stm --data ed --out runs --config minilm --set train_examples=500 --set epochs=1
  empeval train prepare-sft --out sft-data --temperature 2
  empeval train sft --data sft-data --out sft
  empeval train prepare-dpo --out dpo-data
  empeval train dpo --data dpo-data --out dpo --adapter sft/adapter
  empeval train heads --out heads --ratings FOLDER

The first command learns people's ratings (FOLDER holds the rated sets), the second labels
examples by it and prints their fingerprint. The next train a
checkpoint a seed into OUT/MODEL-SEED. Interrupted training goes on when the same command is
given again. Configurations: authors (the default: RoBERTa-base, needs a GPU), minilm,
minilm-cpu, or a TOML file of your own; of teacher, sft, dpo and heads: default, cpu.
"""


RATINGS = "the folder of rated sets (see empeval audit --list-ratings)"
MIRROR = "a mirror of the hub's data sets"
EXAMPLES = "the folder that 'train prepare-ed' wrote"
CHANGE = "one setting of the configuration, such as epochs=1; may be repeated"


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the actions."""
    parser.epilog = EPILOG
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    _add_teacher(actions)
    _add_prepare(actions)
    for name, summary in (
        ("baseline", "one encoder, two heads"),
        ("stm", "the same, emotion first, then both"),
        ("mvc", "two views, the score conditioned on the emotions"),
    ):
        _add_model(actions, name, summary)
    _add_results(actions)
    add_eq(actions, _count, _seed, _folder, _require_extra)


def _parser(actions: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=summary, description=summary)
    return parser


def _add_teacher(actions: Any) -> None:
    parser = _parser(actions, "teacher", "a cross-encoder that learns what people said of replies")
    parser.add_argument("--ratings", type=Path, required=True, metavar="FOLDER", help=RATINGS)
    parser.add_argument(
        "--out", type=_folder, required=True, metavar="FOLDER",
        help="the checkpoint's folder to write",
    )  # fmt: skip
    parser.add_argument(
        "--config", metavar="NAME_OR_FILE", help="the recipe: default, cpu, or a TOML file"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help=CHANGE
    )
    parser.add_argument(
        "--seed", type=_seed, default=17, metavar="S",
        help="random seed of new weights, the order of examples and dropout (default 17)",
    )  # fmt: skip
    parser.add_argument("--data-dir", type=Path, metavar="FOLDER", help=MIRROR)
    parser.set_defaults(run=run_teacher)


def _add_prepare(actions: Any) -> None:
    parser = _parser(actions, "prepare-ed", "labelled examples from EmpatheticDialogues")
    parser.add_argument(
        "--out", type=_folder, required=True, metavar="FOLDER",
        help="the folder of examples to write",
    )  # fmt: skip
    parser.add_argument("--data-dir", type=Path, metavar="FOLDER", help=MIRROR)
    parser.add_argument(
        "--teacher", type=Path, nargs="+", default=[], metavar="FOLDER",
        help="what 'train teacher' wrote, one or more seeds, whose word is averaged (default: the "
        "labels that come with empeval)",
    )  # fmt: skip
    parser.add_argument(
        "--ratings",
        type=Path,
        metavar="FOLDER",
        help=f"{RATINGS}: what people rated becomes examples, too; needed with --teacher",
    )
    for part, option in (("train", ""), ("validation", "validation-"), ("test", "test-")):
        parser.add_argument(
            f"--{option}conversations", type=_count, metavar="N",
            help=f"so many conversations of the {part} split, as many of each emotion (default: "
            "all)",
        )  # fmt: skip
    parser.add_argument(
        "--variants",
        type=_whole,
        default=1,
        metavar="N",
        help="so many other replies are made of each human one (default 1)",
    )
    parser.add_argument(
        "--seed", type=_seed, default=17, metavar="S",
        help="random seed of which conversations and which variants are taken (default 17)",
    )  # fmt: skip
    parser.set_defaults(run=run_prepare)


def _add_model(actions: Any, name: str, summary: str) -> None:
    parser = _parser(actions, name, summary)
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help=EXAMPLES)
    parser.add_argument(
        "--out", type=_folder, required=True, metavar="FOLDER",
        help="the folder for checkpoints, one a seed: FOLDER/MODEL-SEED",
    )  # fmt: skip
    parser.add_argument(
        "--config",
        metavar="NAME_OR_FILE",
        help="the recipe: authors (default), minilm, minilm-cpu, or a TOML file",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="changes", help=CHANGE
    )
    parser.add_argument(
        "--seed", type=_seeds, default=[17], metavar="S[,S...]",
        help="random seed of new weights, the order of examples and dropout; a checkpoint for each "
        "(default 17)",
    )  # fmt: skip
    parser.add_argument(
        "--sweep", metavar="KEY=V,V...", help="train one after the other with each value"
    )
    parser.add_argument("--data-dir", type=Path, metavar="FOLDER", help=f"{MIRROR} (GoEmotions)")
    parser.set_defaults(run=run_model, model=name)


def _add_results(actions: Any) -> None:
    parser = _parser(actions, "results", "write RESULTS.md and LABELS.md from what was measured")
    parser.add_argument(
        "--runs", type=Path, required=True, metavar="FOLDER",
        help="the folder of checkpoints (--out of the models)",
    )  # fmt: skip
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help=EXAMPLES)
    parser.add_argument(
        "--teacher",
        type=Path,
        nargs="+",
        default=[],
        metavar="FOLDER",
        help="what 'train teacher' wrote: those that labelled the examples",
    )
    parser.add_argument("--ratings", type=Path, required=True, metavar="FOLDER", help=RATINGS)
    parser.add_argument(
        "--audits",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="the scorers' certificates: --out of 'empeval audit'",
    )
    parser.add_argument(
        "--systems", type=Path, metavar="FILE", help="replies of published systems, to be scored"
    )
    parser.add_argument("--data-dir", type=Path, metavar="FOLDER", help=MIRROR)
    parser.add_argument(
        "--out", type=_folder, required=True, metavar="FOLDER", help="where the document is written"
    )
    parser.set_defaults(run=run_results)


def run_teacher(options: argparse.Namespace) -> int:
    """Train the teacher; print how far each head agrees with people on the validation part."""
    _require_extra()
    from tabulate import tabulate

    from empeval.data import use_data_directory
    from empeval.pairs import parse_pairs
    from empeval_training.teacher.recipe import load_teacher_recipe
    from empeval_training.teacher.training import train_teacher

    changes: dict[str, str] = {}
    for text in options.changes:
        changes.update(parse_pairs(text, "--set"))
    recipe = load_teacher_recipe(options.config, changes)
    with use_data_directory(options.data_dir):
        result = train_teacher(recipe, options.ratings, options.out, seed=options.seed)
    rows = [
        [name, own["n"], f"{own['spearman']:.4f}"] for name, own in result["validation"].items()
    ]
    print(tabulate(rows, headers=["head", "validation replies", "Spearman"], disable_numparse=True))
    return 0


def run_prepare(options: argparse.Namespace) -> int:
    """Make the data; print their fingerprint."""
    _require_extra()
    from tabulate import tabulate

    from empeval.data import use_data_directory
    from empeval_training.prepare import prepare

    with use_data_directory(options.data_dir):
        prepared = prepare(
            options.out,
            teachers=options.teacher,
            ratings=options.ratings,
            conversations_of={
                "train": options.conversations,
                "validation": options.validation_conversations,
                "test": options.test_conversations,
            },
            variants=options.variants,
            seed=options.seed,
        )
    kinds = sorted({kind for counts in prepared.counts.values() for kind in counts})
    rows = [[k, *(counts.get(k, 0) for counts in prepared.counts.values())] for k in kinds]
    print(tabulate(rows, headers=["replies", *prepared.counts]))
    for name, terms in prepared.licenses.items():
        print(f"licence of {name}: {terms}")
    print(f"fingerprint: {prepared.fingerprint}")
    return 0


def run_model(options: argparse.Namespace) -> int:
    """Train a checkpoint for every seed and value of the sweep; print a table."""
    _require_extra()
    from tabulate import tabulate

    from empeval.data import use_data_directory
    from empeval.pairs import parse_pairs
    from empeval_training.data import PEOPLE, VALIDATION
    from empeval_training.recipe import change, load_recipe
    from empeval_training.train import train

    changes: dict[str, str] = {}
    for text in options.changes:
        changes.update(parse_pairs(text, "--set"))
    recipe = load_recipe(options.model, options.config, changes)
    recipes = {"": recipe}
    if options.sweep:
        key, values = _sweep(options.sweep)
        recipes = {f"-{key}={v}": change(recipe, {key: v}, "--sweep") for v in values}
    rows, people, names = [], [], ["run", "part"]
    for label, one in recipes.items():
        for seed in options.seed:
            out = options.out / f"{options.model}{label}-{seed}"
            with use_data_directory(options.data_dir):
                result = train(one, options.data, out, seed=seed)
            for part, f in result["figures"].items():
                if part in (PEOPLE, VALIDATION):
                    parts = {PEOPLE: "test", VALIDATION: "validation"}
                    people.append([str(out), parts[part], *(f"{x:.4f}" for x in f.values())])
                    names = ["run", "part", *f]
                    continue
                metrics = (f["mae"], f["spearman"], f["emotion_accuracy"], f["mae_of_median"])
                rows.append([str(out), part, f["n"], *(f"{x:.4f}" for x in metrics)])
    headers = ["run", "test replies", "n", "MAE", "Spearman", "emotion acc.", "MAE of median"]
    print(tabulate(rows, headers=headers, disable_numparse=True))
    if people:
        print("\nSpearman with people's ratings:")
        print(tabulate(people, headers=names, disable_numparse=True))
    return 0


def run_results(options: argparse.Namespace) -> int:
    """Measure checkpoints against people and write the documents."""
    _require_extra()
    from empeval.data import use_data_directory
    from empeval_training.results import write_documents

    with use_data_directory(options.data_dir):
        for path in write_documents(
            runs=options.runs,
            data=options.data,
            teachers=options.teacher,
            ratings=options.ratings,
            audits=options.audits,
            systems=options.systems,
            out=options.out,
        ):
            print(path)
    return 0


def _require_extra() -> None:
    from empeval.extras import require

    require("Training", "torch", "transformers", "sklearn", "trl", extra="train")


def _whole(text: str, least: int = 0) -> int:
    value = int(text) if text.isdecimal() else -1
    if value < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of {least} or more")
    return value


def _count(text: str) -> int:
    return _whole(text, 1)


def _folder(text: str) -> Path:
    """A folder to write into: any but what a run keeps."""
    from empeval import UsageError, document_path

    try:
        return document_path(text, "the folder")
    except UsageError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _seed(text: str) -> int:
    value = _whole(text)
    if value >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is too large for a seed; it must be below 2^32")
    return value


def _seeds(text: str) -> list[int]:
    return [_seed(part.strip()) for part in text.split(",")]


def _sweep(text: str) -> tuple[str, list[str]]:
    from empeval import UsageError

    key, equals, values = text.partition("=")
    key = key.strip()
    chosen = list(dict.fromkeys(value.strip() for value in values.split(",") if value.strip()))
    if not equals or not key or not chosen:
        raise UsageError(f"--sweep: {text!r} is not of the form key=value,value.")
    return key, chosen
