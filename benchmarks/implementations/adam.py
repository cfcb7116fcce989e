"""What every implementation of the tables shares: scikit-learn's Adam, in numbers, and the cost.

scikit-learn adds epsilon to the square root of the average before it corrects the bias, where
others add it afterwards. With this order everyone makes the same steps.
"""

import numpy as np

from benchmarks.tasks import Data, Task

RATE, BETA_1, BETA_2, EPSILON = 1e-3, 0.9, 0.999, 1e-8
ALPHA = 1e-4  # the L2 penalty


def corrections(first: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """What corrects the two averages' bias in the steps from `first` on, counted from 0."""
    counts = np.arange(first + 1, first + steps + 1)
    return 1 - BETA_1**counts, np.sqrt(1 - BETA_2**counts)


def rates(first: int, steps: int) -> np.ndarray:
    """The learning rate of each step, corrected for the averages' bias."""
    mean, root = corrections(first, steps)
    return RATE * root / mean


def cost(task: Task, data: Data, weights, biases) -> float:
    """The loss over all rows and a minibatch's penalty, in float64, whatever the task's dtype."""
    a = data.X.astype(np.float64)
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        a = np.maximum(a @ w + b, 0)
    z = (a @ weights[-1] + biases[-1]).ravel()
    if task.target == "number":
        losses = (z - data.y) ** 2 / 2
    else:
        losses = np.logaddexp(0, z) - data.y * z
    penalty = ALPHA / 2 / task.batch * sum(np.sum(w * w, dtype=np.float64) for w in weights)
    return float(losses.mean() + penalty)
