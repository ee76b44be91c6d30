"""What the bounds of generated sets are computed with: a logistic regression, and the scores of logits."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit
from torchmetrics.functional.classification import binary_auroc

Floats = NDArray[np.float64]


def logistic_regression(x_RK: Floats, label_R: NDArray[np.bool_]) -> Floats:
    """Return the maximum-likelihood intercept and weights, (K + 1,), computed by Newton's method."""
    x_RK = np.hstack([np.ones((len(x_RK), 1)), x_RK])
    weight_K = np.zeros(x_RK.shape[1])
    for _ in range(25):
        p_R = expit(x_RK @ weight_K)
        hessian = (x_RK * (p_R * (1 - p_R))[:, None]).T @ x_RK
        step_K = np.linalg.solve(hessian, x_RK.T @ (label_R - p_R))
        weight_K += step_K
        if np.abs(step_K).max() < 1e-9:
            break
    return weight_K


def score(logit_R: Floats, label_R: NDArray[np.bool_]) -> dict[str, float]:
    """Return the AUC and LogLoss of logits."""
    auc = binary_auroc(torch.from_numpy(expit(logit_R)), torch.from_numpy(label_R).long()).item()
    return {"auc": auc, "logloss": float(np.logaddexp(0, np.where(label_R, -logit_R, logit_R)).mean())}
