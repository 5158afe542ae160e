"""Confidences that mean what they say: one temperature for all logits."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from model.evaluation.metrics import Classes, Floats

COLDEST, HOTTEST = 0.05, 20.0  # that a net could sensibly need


def fit_temperature(probabilities: Floats, classes: Classes) -> float:
    """Return the temperature that fits ``probabilities`` (n, labels) to the true ``classes``.

    The logarithm of a softmax is its logits, up to a constant that the next softmax takes
    out again. Minimises the log loss (Guo et al. 2017, arXiv:1706.04599, 4.2), to be done on
    tiles that the net was not trained on.
    """
    logits = np.log(np.maximum(probabilities.astype(float), 1e-12))
    rows = np.arange(len(classes))

    def log_loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(1)) - scaled[rows, classes]))

    found = minimize_scalar(log_loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))
