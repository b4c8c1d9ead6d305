"""The tasks that come with empeval, a folder each."""
