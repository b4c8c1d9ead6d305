"""``empeval eq-variants``: the EQ score of a model in its four published variants."""

from __future__ import annotations

import argparse

EPILOG = """examples:
  empeval eq-variants --model packaged:smollm2-135m-instruct --limit 30 --xlsx results.xlsx
  empeval eq-variants --model packaged:smollm2-135m-instruct --xlsx results2.xlsx
  empeval eq-variants --model hf:BASE --model-args adapter=dpo/adapter --heads FOLDER

The model answers once; the variants differ in what the term 'alignment' is made of, so their
differences are paired. The run folder is like any other: show, export and score work on it.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.epilog = EPILOG
    parser.set_defaults(run=run)
    parser.add_argument(
        "--model",
        required=True,
        metavar="SCHEME:TARGET",
        help="the model that answers, as for 'empeval run'",
    )
    parser.add_argument("--model-args", metavar="K=V,K=V", help="options of the model")
    parser.add_argument(
        "--task", default="eqbench", metavar="NAME", help="the task to ask (default: eqbench)"
    )
    parser.add_argument("--heads", metavar="FOLDER", help="heads other than those that come along")
    parser.add_argument("--limit", type=int, metavar="N", help="ask only N items")
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        help="random seed of decoding and of the choice of --limit items (default 0)",
    )
    parser.add_argument(
        "--max-tokens", type=int, metavar="N", help="the most tokens an answer may have"
    )
    parser.add_argument(
        "--out", metavar="FOLDER", help="the run folder (default: empeval-runs/...)"
    )
    parser.add_argument("--data-dir", metavar="FOLDER", help="a mirror of the hub's data sets")
    parser.add_argument("--xlsx", metavar="FILE", help="write the spreadsheet, too")


def run(options: argparse.Namespace) -> int:
    """Ask the model once and print the EQ score in its four variants."""
    from tabulate import tabulate

    import empeval
    from empeval.toolkit import parse_pairs, plain, warn
    from empeval_heads.bundle import locate_heads, read_eq
    from empeval_heads.variants import variants

    # before a model answers for hours
    read_eq(locate_heads(options.heads))
    if options.xlsx:
        empeval.export_place(options.xlsx, "xlsx", "--xlsx")
    sampling = {"max_tokens": options.max_tokens} if options.max_tokens is not None else {}
    finished = empeval.run(
        options.model,
        [options.task],
        ["default", f"eq:{options.heads}" if options.heads else "eq"],
        model_args=parse_pairs(options.model_args, "--model-args"),
        sampling=sampling,
        limit=options.limit,
        seed=options.seed,
        out=options.out,
        data_dir=options.data_dir,
        progress=True,
        hooks=options.hooks,
    )
    for warning in finished.manifest.warnings:
        warn(warning)
    found = variants(finished, options.task)
    rows = [
        [
            v.name,
            v.n,
            v.failed,
            f"{v.eq[0]:.4f}",
            _interval(v.eq),
            f"{v.mass:.4f}",
            f"{v.alignment:.4f}",
            "-" if v.name == "base" else f"{v.less_base[0]:+.4f}",
            "-" if v.name == "base" else _interval(v.less_base),
        ]
        for v in found
    ]
    headers = [
        "variant", "n", "failed", "EQ", "95% interval", "empathy mass", "alignment", "less base",
        "95% interval",
    ]  # fmt: skip
    print(tabulate(rows, headers=headers, disable_numparse=True))
    for metric in finished.metrics():
        if metric.scorer == options.task and metric.value is not None:
            ends = _interval((0, metric.ci_low, metric.ci_high), 2)
            known = "" if ends == "-" else f" (95 % interval {ends})"
            print(plain(f"{metric.task} {metric.metric}: {metric.value:.2f} {metric.unit}{known}"))
    print(plain(f"run folder: {finished.path}"))
    if options.xlsx:
        for path in empeval.export(finished, options.xlsx, "xlsx", hooks=options.hooks):
            print(plain(path))
    return 0


def _interval(estimate: tuple[float, float | None, float | None], digits: int = 4) -> str:
    _, low, high = estimate
    if low is None or high is None:
        return "-"
    return f"{low:.{digits}f} to {high:.{digits}f}"
