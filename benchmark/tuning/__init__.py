"""The search of one study: space, sampler, storage, trials, retrials and final runs."""
