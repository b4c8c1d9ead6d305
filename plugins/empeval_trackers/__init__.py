"""Trackers: a run's spec and metrics in MLflow or Trackio while it happens.

Nothing is tracked unless ``EMPEVAL_TRACK`` names a tracker; docs/exports.md says how. They use the
hooks that anybody has.
"""
