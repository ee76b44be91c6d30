"""Measurements of the suite itself, beside its peers where they are installed."""
