"""Learning rates from epoch to epoch, and from step to step."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# These schedules are planned from the first step to the last.
PLANNED = ("cosine", "one_cycle")
SCHEDULES = ("constant", "invscaling", "adaptive", *PLANNED)

# "one_cycle": the fraction of steps in which the rate rises, the divisor of the rate at the start,
# and the further divisor at the end. They are PyTorch's defaults.
RISING = 0.3
START_DIVISOR = 25.0
END_DIVISOR = 1e4

# "adaptive" divides the rate by the first, and stops when it is not above the second.
REDUCTION = 5.0
SMALLEST = 1e-6


class Schedule:
    """A learning rate and its schedule.

    Parameters
    ----------
    lr_schedule : {"constant", "invscaling", "adaptive", "cosine", "one_cycle"}
        "constant" keeps the rate. "invscaling" divides it by ``(rows + 1) ** power_t`` after each
        epoch, with the rows seen so far, and "adaptive" by 5 where training makes no progress, both
        as in scikit-learn. The other two are planned for all steps of a fit.
    learning_rate_init : float
        The rate at the start, or the highest rate of "one_cycle".
    power_t : float, default=0.5
        The exponent of "invscaling".
    warmup_epochs : float, default=0.0
        Epochs, or a part of one, in which the rate rises from near 0 to what the schedule says; a
        planned schedule begins after them. See `check_warmup`.

    Attributes
    ----------
    step_size : float
        The current rate.
    epochs : int
        Epochs so far, from which the planned schedules compute their position.
    """

    warmup_epochs = 0.0  # in pickles of version 0.1

    def __init__(
        self,
        lr_schedule: str,
        learning_rate_init: float,
        power_t: float = 0.5,
        warmup_epochs: float = 0.0,
    ) -> None:
        self.lr_schedule = lr_schedule
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.warmup_epochs = warmup_epochs
        self.step_size = learning_rate_init
        self.epochs = 0

    def rates(self, steps: int, epochs: int) -> NDArray[np.float64] | None:
        """Rates for each step of the next epoch.

        Parameters
        ----------
        steps : int
            Minibatches of an epoch.
        epochs : int
            All epochs.

        Returns
        -------
        rates : ndarray, shape (steps,), or None
            None where all are `step_size`.
        """
        step = self.epochs * steps + np.arange(steps, dtype=np.float64)
        warmup = round(self.warmup_epochs * steps)
        if self.lr_schedule in PLANNED:
            plan = one_cycle if self.lr_schedule == "one_cycle" else cosine
            after = np.maximum(step - warmup, 0)
            rates = self.learning_rate_init * plan(after, steps * epochs - warmup)
        elif self.epochs * steps < warmup:
            rates = np.full(steps, self.step_size)
        else:
            return None
        return rates * rising(step, warmup) if warmup else rates

    def epoch_ends(self, rows: int) -> None:
        """Count an epoch, after which `rows` have been seen in all."""
        self.epochs += 1
        if self.lr_schedule == "invscaling":
            self.step_size = self.learning_rate_init / (rows + 1) ** self.power_t

    def reduce(self) -> bool:
        """Lower the rate where training makes no progress; False where it is not to be lowered."""
        if self.lr_schedule != "adaptive" or self.step_size <= SMALLEST:
            return False
        self.step_size /= REDUCTION
        return True


def check_warmup(
    warmup_epochs: float, schedule: str, epochs: int, schedule_name: str, epochs_name: str
) -> None:
    """Raise ValueError for a warm-up that does not go with the schedule.

    Parameters
    ----------
    warmup_epochs : float
    schedule : str
    epochs : int
        All epochs.
    schedule_name, epochs_name : str
        The caller's names of these parameters.
    """
    if not warmup_epochs:
        return
    if schedule == "one_cycle":
        raise ValueError(
            f'warmup_epochs must be 0 with {schedule_name}="one_cycle", which rises by itself; got '
            f"{warmup_epochs:g}."
        )
    if schedule in PLANNED and warmup_epochs >= epochs:
        raise ValueError(
            f"warmup_epochs must be below {epochs_name} ({epochs}) with {schedule_name}="
            f'"{schedule}", which begins after them; got {warmup_epochs:g}.'
        )


def rising(step: NDArray[np.float64], warmup: int) -> NDArray[np.float64]:
    """A line from 1 / (warmup + 1) up, which reaches 1 in the first step after the warm-up [1]_.

    References
    ----------
    .. [1] Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    """
    return np.minimum((step + 1) / (warmup + 1), 1)


def cosine(step: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Half a cosine from 1 down towards 0 [1]_.

    References
    ----------
    .. [1] Loshchilov & Hutter, "SGDR: stochastic gradient descent with warm restarts", 2017.
    """
    return 0.5 * (1 + np.cos(np.pi * step / steps))


def one_cycle(step: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Half a cosine up to 1, then half a cosine down to 4e-6 [1]_.

    References
    ----------
    .. [1] Smith & Topin, "Super-convergence", 2018; the cosines, their start and
       their end are those of PyTorch's OneCycleLR.
    """
    peak = max(RISING * steps - 1, 0.0)
    low, end = 1 / START_DIVISOR, 1 / START_DIVISOR / END_DIVISOR
    up = step / max(peak, 1.0)
    down = (step - peak) / max(steps - 1 - peak, 1.0)
    upwards = low + (1 - low) * 0.5 * (1 - np.cos(np.pi * up))
    downwards = end + (1 - end) * 0.5 * (1 + np.cos(np.pi * down))
    return np.where(step < peak, upwards, downwards)
