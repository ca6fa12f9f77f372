"""How the predictions of an evaluation are spread over the classes, where no confusion matrix says it. Counts in,
numbers out.
"""

import math

import numpy as np
from numpy.typing import NDArray


def spread(predicted: NDArray[np.int64], true: NDArray[np.int64]) -> dict[str, float]:
    """Share of the most predicted class, entropy of the predictions (1: even over all classes), share of the most
    frequent label. From counts by class, [classes] each; empty where nothing was counted, or there is one class.
    """
    num_predicted, num_true = int(predicted.sum()), int(true.sum())
    if not num_predicted or not num_true or len(predicted) < 2:
        return {}
    shares = predicted[predicted > 0] / num_predicted
    return {
        "prediction_top_share": float(shares.max()),
        "prediction_entropy": max(0.0, float(-(shares * np.log(shares)).sum()) / math.log(len(predicted))),
        "label_top_share": float(true.max()) / num_true,
    }
