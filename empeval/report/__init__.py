"""``empeval report``: runs as one HTML file that opens anywhere, and as plots."""

from __future__ import annotations

from empeval.report.build import build_report

__all__ = ["build_report"]
