"""The emotional part of ToMBench."""
