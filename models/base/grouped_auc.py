"""AUC within groups of rows, such as the impressions of one user."""

import torch
from torch import Tensor


def grouped_auc(score_R: Tensor, label_R: Tensor, group_R: Tensor) -> float:
    """Return the mean AUC of the groups that have both classes, weighted by their rows; NaN if no group has both.

    gAUC of Zhu et al. 2018 (Deep Interest Network, arXiv 1706.06978, equation 7) with impressions as weights, as BARS
    computes it. Exact, O(R log R); ties count half.

    Args:
        score_R: scores or logits; only their order matters.
        label_R: 0 or 1.
        group_R: integer group of each row.
    """
    order = score_R.argsort(stable=True)
    order = order[group_R[order].argsort(stable=True)]
    score_R, label_R, group_R = score_R[order], label_R[order].double(), group_R[order]
    _, group_R, size_G = group_R.unique_consecutive(return_inverse=True, return_counts=True)
    pairs = torch.stack([group_R.double(), score_R.double()], dim=1)
    _, tie_R, size_T = pairs.unique_consecutive(return_inverse=True, return_counts=True, dim=0)
    last_T = size_T.cumsum(0).double()
    rank_R = (last_T - (size_T - 1) / 2)[tie_R] - (size_G.cumsum(0) - size_G)[group_R]  # from 1; ties share a mean rank
    zero_G = torch.zeros(len(size_G), dtype=torch.float64, device=score_R.device)
    positives_G = zero_G.index_add(0, group_R, label_R)
    ranks_G = zero_G.index_add(0, group_R, label_R * rank_R)
    pairs_G = positives_G * (size_G - positives_G)
    both = pairs_G > 0
    auc_G = (ranks_G - positives_G * (positives_G + 1) / 2)[both] / pairs_G[both]
    return float((auc_G * size_G[both]).sum() / size_G[both].sum())
