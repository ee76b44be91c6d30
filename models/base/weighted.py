"""Metrics of rows with weights: a row of weight 2 counts as two equal rows. Sums are in float64.

R rows, T groups of tied rows, G groups.
"""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits


def weighted_means(logit_R: Tensor, label_R: Tensor, weight_R: Tensor) -> tuple[float, float, float]:
    """Return the weighted means of the label, the cross-entropy and the click probability.

    Args:
        logit_R: logits.
        label_R: 0 or 1.
        weight_R: from 0, not all 0.
    """
    logit_R, label_R, weight_R = logit_R.double(), label_R.double(), weight_R.double()
    loss_R = binary_cross_entropy_with_logits(logit_R, label_R, reduction="none")
    # not dot products: with labels of one class the rate must be 0 or 1 exactly
    means = torch.stack([(weight_R * x_R).sum() for x_R in (label_R, loss_R, logit_R.sigmoid())]) / weight_R.sum()
    rate, loss, probability = means.tolist()
    return rate, loss, probability


def weighted_auc(score_R: Tensor, label_R: Tensor, weight_R: Tensor, group_R: Tensor | None = None) -> float:
    """Return the share, by weight, of pairs with the positive above the negative; a pair weighs the product of its rows.

    Ties count half, O(R log R). With groups: the mean of the groups in which both classes have weight, weighted by the sum of
    their rows' weights; NaN if there is none.

    Args:
        score_R: scores or logits; only their order matters.
        label_R: 0 or 1.
        weight_R: from 0.
        group_R: integer group of each row; None for one group of all.
    """
    group_R = torch.zeros_like(label_R, dtype=torch.int64) if group_R is None else group_R
    order = score_R.argsort(stable=True)
    order = order[group_R[order].argsort(stable=True)]
    score_R, group_R = score_R[order], group_R[order]
    new_R = torch.ones_like(score_R, dtype=torch.bool)  # whether a row starts a group of ties
    new_R[1:] = (score_R[1:] != score_R[:-1]) | (group_R[1:] != group_R[:-1])
    tie_R = new_R.cumsum(0) - 1
    _, group_T = group_R[new_R].unique_consecutive(return_inverse=True)
    weight_R2 = weight_R[order].double().unsqueeze(1) * torch.stack([1 - label_R[order], label_R[order]], 1).double()
    weight_T2 = weight_R2.new_zeros(int(new_R.sum()), 2).index_add_(0, tie_R, weight_R2)
    negative_T, positive_T = weight_T2.unbind(1)
    weight_G2 = weight_T2.new_zeros(int(group_T[-1]) + 1, 2).index_add_(0, group_T, weight_T2)
    before_G = weight_G2[:, 0].cumsum(0) - weight_G2[:, 0]  # negatives of earlier groups
    below_T = negative_T.cumsum(0) - negative_T / 2 - before_G[group_T]  # with half of the tied negatives
    pairs_G = weight_G2.prod(1)
    ordered_G = torch.zeros_like(pairs_G).index_add_(0, group_T, positive_T * below_T)
    both, size_G = pairs_G > 0, weight_G2.sum(1)
    return float((ordered_G[both] / pairs_G[both] * size_G[both]).sum() / size_G[both].sum())
