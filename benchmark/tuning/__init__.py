"""The search of one study: space, sampler, storage, trials and what follows them."""
