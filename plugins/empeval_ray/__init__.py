"""Answers and scores by several processes, on one machine or many, that Ray places and restarts.

``ray:`` wraps any model, ``--score-workers ray:N`` any scorer; docs/clusters.md says how. Nothing
here imports ray before something is asked of it.
"""
