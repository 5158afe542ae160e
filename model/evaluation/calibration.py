"""Confidences that mean what they say: one temperature for all logits."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize_scalar

from model.evaluation.metrics import Classes, Floats

COLDEST, HOTTEST = 0.05, 20.0  # that a net could sensibly need
SMALLEST = float(np.finfo(np.float32).tiny)  # probability that has a logarithm


def fit_temperature(probabilities: Floats, classes: Classes, given_at: float = 1.0) -> float:
    """Return the temperature that fits a net to the true ``classes``.

    ``probabilities`` (n, labels) are the net's at the temperature ``given_at``. The logarithm of
    a softmax is its logits, up to a constant that the next softmax takes out again; a hot one
    also keeps those apart that a float32 would all call 0. Minimises the log loss (Guo et al.
    2017, arXiv:1706.04599, 4.2), to be done on tiles that the net was not trained on.
    """
    logits = given_at * np.log(np.maximum(probabilities.astype(float), SMALLEST))
    rows = np.arange(len(classes))

    def log_loss(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        return float(np.mean(np.log(np.exp(scaled).sum(1)) - scaled[rows, classes]))

    found = minimize_scalar(log_loss, bounds=(np.log(COLDEST), np.log(HOTTEST)), method="bounded")
    return float(np.exp(found.x))
