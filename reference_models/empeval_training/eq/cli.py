"""``empeval train prepare-sft | prepare-dpo | sft | heads | dpo``."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from empeval.errors import UsageError

Number = Callable[[str], int]


def add(
    actions: Any,
    count: Number,
    seed: Number,
    folder: Callable[[str], Path],
    require: Callable[[], None],
) -> None:
    """Declare the actions.

    Args:
        actions: argparse's actions of ``empeval train``.
        count: reads a whole number of 1 or more.
        seed: reads a seed.
        folder: reads a folder that is written into.
        require: raises where the extra packages are missing.
    """

    def parser(
        name: str, summary: str, run: Callable[[argparse.Namespace], int], seeded: str = ""
    ) -> Any:
        made = actions.add_parser(name, help=summary, description=summary)
        made.add_argument(
            "--out", type=folder, required=True, metavar="FOLDER", help="the folder to write into"
        )
        made.add_argument(
            "--data-dir", type=Path, metavar="FOLDER", help="a mirror of the hub's data sets"
        )
        if seeded:
            made.add_argument(
                "--seed", type=seed, default=17, metavar="S",
                help=f"random seed of {seeded} (default 17)",
            )  # fmt: skip
        made.set_defaults(run=_guarded(run, require))
        return made

    drawn = "which examples are drawn and in which order"
    made_of = "a mixture of three data sets as chats"
    sft = parser("prepare-sft", made_of, run_prepare_sft, drawn)
    sft.add_argument(
        "--temperature", type=float, default=2.0, metavar="T",
        help="of the mixture, not of decoding: a data set of n examples has a share that goes by "
        "n^(1/T): 1 by its size, more makes the shares more equal (default 2)",
    )  # fmt: skip
    sft.add_argument(
        "--total", type=count, metavar="N",
        help="training examples in the mixture (default: as many as the data sets have)",
    )  # fmt: skip
    sft.add_argument(
        "--validation", type=count, default=600, metavar="N",
        help="validation examples, mixed in the same way (default 600)",
    )  # fmt: skip
    sft.add_argument("--sources", metavar="A,B", help="which data sets are mixed (default: all)")

    made_of = "preference pairs from emotional support talks"
    dpo = parser("prepare-dpo", made_of, run_prepare_dpo, f"{drawn}, and of own replies")
    dpo.add_argument(
        "--limit", type=count, metavar="N", help="at most so many training pairs (default: all)"
    )
    dpo.add_argument(
        "--validation", type=count, default=300, metavar="N",
        help="at most so many validation pairs (default 300)",
    )  # fmt: skip
    dpo.add_argument("--own-replies", metavar="SCHEME:TARGET", help="a model whose weaker replies "
                     "are rejected, too")  # fmt: skip
    dpo.add_argument(
        "--model-args", metavar="K=V,K=V", help="options of that model, as for 'empeval run'"
    )
    dpo.add_argument(
        "--own-limit", type=count, default=200, metavar="N",
        help="so many prompts are put to that model (default 200); fewer pairs come of them",
    )  # fmt: skip

    for step, summary in (("sft", "supervised fine-tuning"), ("dpo", "preference optimisation")):
        tune = parser(
            step, f"{summary} of adapters", run_tune,
            "a new adapter's weights, the order of examples and dropout",
        )  # fmt: skip
        tune.add_argument(
            "--data", type=Path, required=True, metavar="FOLDER",
            help=f"the folder that 'train prepare-{step}' wrote",
        )  # fmt: skip
        tune.add_argument(
            "--adapter",
            type=Path,
            metavar="FOLDER",
            help="go on with this adapter (default: a new one)",
        )
        _add_recipe(tune)
        tune.set_defaults(step=step)

    heads = parser(
        "heads", "emotion and strategy head on a frozen base", run_heads,
        "which examples are drawn, the heads' weights and dropout",
    )  # fmt: skip
    heads.add_argument(
        "--ratings", type=Path, metavar="FOLDER", help="human ratings to choose the empathy classes"
    )
    heads.add_argument("--against", type=Path, metavar="RUN", help="a small model's replies to "
                       "ed-empathy, not its test split: classes that put them above people's "
                       "count less")  # fmt: skip
    heads.add_argument("--reward", type=Path, metavar="FOLDER", help="of dpo: its implicit reward "
                       "becomes the EQ score's alignment")  # fmt: skip
    heads.add_argument(
        "--reference", type=Path, metavar="FOLDER", help="the adapter that dpo began with"
    )
    _add_recipe(heads)

    results = parser("eq-results", "write EQ_RESULTS.md from what was measured", run_results)
    results.add_argument(
        "--heads", type=Path, required=True, metavar="FOLDER", help="what 'train heads' wrote"
    )
    results.add_argument("--tuned", type=Path, nargs="+", default=[], metavar="FOLDER",
                         help="what 'train sft' and 'train dpo' wrote")  # fmt: skip
    results.add_argument("--runs", nargs="+", default=[], metavar="NAME=FOLDER",
                         help="run folders on the same items, the base model's first")  # fmt: skip
    results.add_argument("--replies", nargs="+", metavar="NAME=FOLDER", help="run folders of "
                         "ed-empathy, to set models against people; default: --runs")  # fmt: skip
    results.add_argument("--before", type=Path, metavar="FOLDER", help="earlier heads, to stand "
                         "beside these")  # fmt: skip
    results.add_argument("--earlier", type=Path, metavar="FILE", help="an EQ_RESULTS.md: what is "
                         "not given is kept from it")  # fmt: skip
    results.add_argument("--earlier-version", default="an earlier version", metavar="TEXT",
                         help="what that was measured at, such as a commit")  # fmt: skip
    results.add_argument(
        "--ratings", type=Path, required=True, metavar="FOLDER",
        help="the folder of rated sets (see empeval audit --list-ratings)",
    )  # fmt: skip
    results.add_argument(
        "--mixture", type=Path, metavar="FOLDER", help="the folder that 'train prepare-sft' wrote"
    )
    results.add_argument("--variants", type=Path, nargs="+", default=[], metavar="FOLDER",
                         help="run folders of eq-variants")  # fmt: skip


def _add_recipe(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config", metavar="NAME_OR_FILE", help="the recipe: default, cpu, or a TOML file"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="changes",
        help="one setting of the configuration, such as epochs=1; may be repeated",
    )  # fmt: skip


def _guarded(
    run: Callable[[argparse.Namespace], int], require: Callable[[], None]
) -> Callable[[argparse.Namespace], int]:
    def checked(options: argparse.Namespace) -> int:
        require()
        return run(options)

    return checked


def run_prepare_sft(options: argparse.Namespace) -> int:
    """Write the mixture; print it against the formula."""
    from tabulate import tabulate

    from empeval.cli.options import names
    from empeval.data import use_data_directory
    from empeval_training.eq.prepare import prepare_sft

    with use_data_directory(options.data_dir):
        made, portions = prepare_sft(
            options.out,
            temperature=options.temperature,
            total=options.total,
            validation=options.validation,
            seed=options.seed,
            sources=names(options.sources) if options.sources else None,
        )
    rows = [
        [n, p.available, f"{p.share:.4f}", p.drawn, f"{p.drawn / made.train:.4f}",
         f"{p.repeats:.2f}"]
        for n, p in portions.items()
    ]  # fmt: skip
    headers = ["source", "available", "p_i", "drawn", "realised", "times each"]
    print(tabulate(rows, headers=headers, disable_numparse=True))
    _print_made(made)
    return 0


def run_prepare_dpo(options: argparse.Namespace) -> int:
    """Write the pairs; print how many each rule gave."""
    from tabulate import tabulate

    from empeval.data import use_data_directory
    from empeval.pairs import parse_pairs
    from empeval_training.eq.own import own_pairs
    from empeval_training.eq.prepare import prepare_dpo

    with use_data_directory(options.data_dir):
        own = []
        if options.own_replies:
            own = own_pairs(
                options.own_replies,
                parse_pairs(options.model_args, "--model-args"),
                limit=options.own_limit,
                seed=options.seed,
                hooks=options.hooks,
            )
        made = prepare_dpo(
            options.out,
            limit=options.limit,
            validation=options.validation,
            seed=options.seed,
            own=own,
        )
    kinds = sorted({*made.facts["rules"], *made.facts["validation_rules"]})
    rows = [
        [kind, made.facts["rules"].get(kind, 0), made.facts["validation_rules"].get(kind, 0)]
        for kind in kinds
    ]
    print(tabulate(rows, headers=["rejected by the rule", "train", "validation"]))
    _print_made(made)
    return 0


def run_tune(options: argparse.Namespace) -> int:
    """Train adapters; print the figures before and after."""
    # TRL reports each training to its makers unless the hub client, read next, is told not to.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from tabulate import tabulate

    from empeval_training.eq.recipes import load_tuning
    from empeval_training.eq.tuning import table, tune

    recipe = load_tuning(options.step, options.config, _changes(options))
    result = tune(
        options.step, recipe, options.data, options.out, adapter=options.adapter, seed=options.seed
    )
    print(tabulate(table(result), headers=["figure", "before", "after"], disable_numparse=True))
    print(
        f"{result['training_examples']} examples, {result['seconds']:.0f} s on {result['device']} "
        f"through {result['backend']}, peak memory {result['peak_memory_gb']} GB"
    )
    print(f"adapter: {options.out / 'adapter'}")
    return 0


def run_heads(options: argparse.Namespace) -> int:
    """Train both heads; print their figures on the test splits."""
    from tabulate import tabulate

    from empeval.data import use_data_directory
    from empeval_training.eq.heads import train_heads
    from empeval_training.eq.recipes import load_reading
    from empeval_training.eq.rewarding import use_reward

    if options.reference is not None and options.reward is None:
        raise UsageError("--reference goes with --reward.")
    recipe = load_reading(options.config, _changes(options))
    with use_data_directory(options.data_dir):
        result = train_heads(
            recipe,
            options.out,
            ratings=options.ratings,
            seed=options.seed,
            against=options.against,
        )
    if options.reward is not None:
        use_reward(options.out, options.reward, options.reference)
    names = ("macro_f1", "accuracy", "majority_macro_f1", "majority_accuracy")
    rows = [
        [kind, f["training"], f["n"], *(f"{f[name]:.4f}" for name in names)]
        for kind, f in result["figures"].items()
    ]
    headers = ["head", "trained on", "test", *(name.replace("_", " ") for name in names)]
    print(tabulate(rows, headers=headers, disable_numparse=True))
    print(f"empathy classes: {', '.join(result['empathy_classes'])}")
    print(f"{result['seconds']:.0f} s, peak memory {result['peak_memory_gb']} GB")
    print(f"heads: {options.out}")
    return 0


def run_results(options: argparse.Namespace) -> int:
    """Write the document."""
    from empeval_training.eq.results import write_results

    print(
        write_results(
            options.heads,
            options.tuned,
            _folders(options.runs, "--runs"),
            options.ratings,
            options.out,
            mixture=options.mixture,
            variant_runs=options.variants,
            before=options.before,
            replied=None if options.replies is None else _folders(options.replies, "--replies"),
            earlier=options.earlier,
            version=options.earlier_version,
        )
    )
    return 0


def _folders(texts: Sequence[str], option: str) -> dict[str, Path]:
    from empeval.pairs import parse_pairs

    found: dict[str, Path] = {}
    for text in texts:
        found |= {name: Path(path) for name, path in parse_pairs(text, option).items()}
    return found


def _changes(options: argparse.Namespace) -> dict[str, str]:
    from empeval.pairs import parse_pairs

    changes: dict[str, str] = {}
    for text in options.changes:
        changes.update(parse_pairs(text, "--set"))
    return changes


def _print_made(made: Any) -> None:
    print(f"{made.train} training and {made.validation} validation rows")
    for name, terms in made.licenses.items():
        print(f"licence of {name}: {terms}")
    print(f"fingerprint: {made.fingerprint}")
