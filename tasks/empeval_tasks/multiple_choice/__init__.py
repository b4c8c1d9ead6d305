"""Questions with options, one of them right: prompt, parser and scorer for every such task."""
