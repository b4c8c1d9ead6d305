"""Paired statistics of run folders: joins, intervals, tests, verdicts. No model is ever loaded."""
