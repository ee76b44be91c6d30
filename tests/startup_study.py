"""Compare random search with TPE after different numbers of random draws, on planted objectives.

    python tests/startup_study.py [REPLICATIONS] [TRIALS]

Each objective has its own best value of every shared parameter and its own weight of each; a draw's loss is the weighted sum
of its distances, so 0 is the best possible. The space is that of protocol `frappe`, with a depth. A third of the objectives
have no interaction, a third have a product of two distances, a third have noise besides. The same draws of the sampler and
the same objectives are used for every setting. See docs/methodology.md.
"""

import sys

import numpy as np
import optuna

from benchmark import protocol as protocols
from benchmark.statistics import mean_interval
from benchmark.tuning.sampler import SlotSampler

CHOICES = ("embedding_l2", "weight_decay", "dropout", "normalisation", "embedding_std")


def best_of(sampler: SlotSampler, trials: int, objective: int) -> float:
    """Return the true loss of the best of a search's trials.

    Args:
        sampler: of the search
        trials: number of them
        objective: seed of the planted objective
    """
    search = protocols.load("frappe").search
    planted = np.random.default_rng(objective)
    optimum, weight, noise = planted.random(7), planted.dirichlet(np.ones(7)), planted.normal(0, 0.05, trials)
    study = optuna.create_study(sampler=sampler)
    observed, true = [], []
    for slot in range(trials):
        sampler.next_slot(slot)
        trial = study.ask()
        low, high = np.log(search.learning_rate)
        rate = trial.suggest_float("learning_rate", *search.learning_rate, log=True)
        place = [(np.log(rate) - low) / (high - low), (trial.suggest_int("depth", 1, 4) - 1) / 3]
        for name in CHOICES:
            choices = getattr(search, name)
            place.append(choices.index(trial.suggest_categorical(name, choices)) / (len(choices) - 1))
        distance = abs(np.array(place) - optimum)
        loss = float(weight @ distance) + (float(distance[0] * distance[3]) if objective % 3 else 0.0)
        true.append(loss)
        observed.append(loss + (noise[slot] if objective % 3 == 2 else 0.0))
        study.tell(trial, observed[-1])
    return true[int(np.argmin(observed))]


def main(replications: int, trials: int) -> None:
    """Print the mean loss of the chosen trial for each setting, and its paired difference from random search."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    settings = {"random": None, **{f"TPE after {n}": n for n in dict.fromkeys((trials // 2, 8)) if n < trials}}
    losses = {
        name: [best_of(SlotSampler("tpe" if n else "random", (i,), {}, n or 0), trials, i) for i in range(replications)]
        for name, n in settings.items()
    }
    for name, own in losses.items():
        mean, half = mean_interval([a - b for a, b in zip(own, losses["random"], strict=True)])
        print(f"{trials} trials, {name}: loss {np.mean(own):.4f}, minus random {mean:+.4f} ± {half:.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300, int(sys.argv[2]) if len(sys.argv) > 2 else 10)
