"""Target ratios for the suite on a CPU, and which of them a run of `speed` met."""

from dataclasses import dataclass
from statistics import median

from benchmark.reports.formats import pipe_table
from benchmark.speed.against import DENSE_ADAM
from benchmark.speed.parts import Section, spread


@dataclass(frozen=True)
class Target:
    """A bound on a ratio."""

    bound: float
    at_most: bool = False

    def __str__(self) -> str:
        return f"{'at most' if self.at_most else 'at least'} {self.bound:g}"

    def met(self, value: float) -> bool:
        """Return whether the value is within the bound."""
        return value <= self.bound if self.at_most else value >= self.bound

    def verdict(self, values: list[float]) -> str:
        """Return whether the median is within the bound, and whether all rounds agree."""
        met = self.met(median(values))
        agreed = all(self.met(value) is met for value in values)
        return ("met" if met else "missed") + ("" if agreed else ", not in every round")


TARGETS = {
    **{
        f"FuxiCTR's steps over ours, {cell}, {how}": Target(bound)
        for how in DENSE_ADAM
        for cell, bound in (("MLP 0.1", 2.2), ("MLP 0.4", 1.5), ("MLP 12", 1.5), ("DCNv2 0.85", 1.5), ("DCNv2 12", 1.5))
    },
    "FuxiCTR's steps over ours, MLP 0.1, row-wise Adagrad": Target(3.0),
    **{f"FuxiCTR's trial over ours, MLP {size}, {how}": Target(2.7) for how in DENSE_ADAM for size in ("0.1", "0.4")},
    "Lightning trial over bare loop, MLP 0.03": Target(1.05, at_most=True),
    "Lightning trial over bare loop, MLP 0.4": Target(1.05, at_most=True),
    "Lightning trial over bare loop, Wukong 0.4": Target(1.05, at_most=True),
    **{f"share of GEMM peak, {name} 0.4": Target(0.80) for name in ("MLP", "DCNv2")},
    "share of GEMM peak, FinalMLP 0.4": Target(0.60),
    **{f"share of GEMM peak, {name} 0.4": Target(0.45) for name in ("DLRM", "Wukong")},
    "share of GEMM peak, AutoInt+ 0.4": Target(0.12),
    **{f"share of GEMM peak, {name} 12": Target(0.80) for name in ("MLP", "DCNv2", "DLRM", "FinalMLP")},
    "share of GEMM peak, Wukong 12": Target(0.75),
    "share of GEMM peak, AutoInt+ 12": Target(0.45),
    "scikit-learn's time over our metrics": Target(5.0),
    "million rows/s in batches": Target(1.5),
}


def reached(ratios: dict[str, list[float]]) -> Section:
    """Return the table of all targets, including those that were not measured."""
    rows = [
        (what, str(target), spread(ratios[what]), target.verdict(ratios[what]))
        if what in ratios
        else (what, str(target), "", "not measured")
        for what, target in TARGETS.items()
    ]
    return Section("Models by forward MFLOP.\n\n" + pipe_table(("what", "target", "measured", "result"), rows))
