"""Trained weights in a folder: written, read, applied to new rows, exported. No pickle anywhere."""

from benchmark.weights.reading import load_model

__all__ = ["load_model"]
