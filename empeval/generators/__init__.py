"""Generators that come with empeval, registered by entry point like anyone else's."""
