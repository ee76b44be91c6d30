"""The search of one study: space, sampler, storage, trials, retrials and final runs."""

import optuna

optuna.logging.set_verbosity(optuna.logging.WARNING)  # progress goes to our own display
