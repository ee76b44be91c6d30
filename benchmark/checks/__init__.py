"""Checks: of models, of submitted records, and of results by retraining."""
