"""What an audit found about a scorer, as every verb prints it."""

from __future__ import annotations

from empeval.auditing import words
from empeval.certificates import Certificate
from empeval.cli.text import blank, print_rows, print_wrapped, say


def print_findings(certificate: Certificate, form: str) -> None:
    """Print agreement beside that of trivial rivals, each trial, and what is to be known of them.

    Args:
        certificate: of the scorer.
        form: of the tables; where one stands alone these are left out.
    """
    if certificate.agreements:
        for rows in words.agreement_tables(certificate):
            print_rows(rows, form, more=True)
            blank(form)
    for kind, title in words.KINDS.items():
        trials = [trial for trial in certificate.trials if trial.kind == kind]
        if trials:
            say(f"{title}: {certificate.primary}", form)
            blank(form)
            print_rows(words.trial_rows(trials), form, more=True)
            blank(form)
    print_wrapped(
        [
            *(f"FAILED {text}" for text in words.failed_trials(certificate)),
            f"cost: {words.cost_line(certificate)}",
            f"audited on: {words.domain_line(certificate)}; parts: {words.part_of(certificate)}",
            *(f"note: {text}" for text in words.undecided_trials(certificate)),
            *(f"note: {text}" for text in words.remarks(certificate)),
        ],
        form,
    )
