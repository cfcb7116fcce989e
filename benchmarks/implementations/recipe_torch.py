"""The recipe of examples/one_second.py in PyTorch, eager or compiled, on one thread or on all."""

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.implementations import recipe
from benchmarks.implementations.torch_ import settings
from benchmarks.tasks import Data, Task, read_idx

__all__ = ["ACTIONS", "settings"]

RECIPE = recipe.example
WIDTHS = 784, RECIPE.HIDDEN, 10


def read(folder: str, part: str) -> tuple[torch.Tensor, torch.Tensor]:
    # A copy, since PyTorch has no arrays that can't be written to.
    images = torch.from_numpy(read_idx(folder, f"{part}-images-idx3-ubyte", 16).copy())
    labels = torch.from_numpy(read_idx(folder, f"{part}-labels-idx1-ubyte", 8).astype(np.int64))
    return images.reshape(-1, 784).float().div_(255), labels


def network(X, w1, b1, w2, b2):
    return torch.addmm(b2, torch.relu(torch.addmm(b1, X, w1)), w2)


def loss(parameters, X, y):
    return F.cross_entropy(network(X, *parameters), y)


def gradients(parameters, X, y, rows):
    return torch.func.grad(loss)(parameters, X[rows], y[rows])


def starting_parameters() -> list[torch.Tensor]:
    """Glorot & Bengio's uniform numbers, biases as well, as the example draws them."""
    parameters = []
    for n_in, n_out in pairwise(WIDTHS):
        bound = (6 / (n_in + n_out)) ** 0.5
        parameters += [torch.empty(s).uniform_(-bound, bound) for s in ((n_in, n_out), (n_out,))]
    return parameters


def learning_rates(steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, RECIPE.LEARNING_RATE, steps, cycle_momentum=False
    )
    rates = []
    for _ in range(steps):
        rates += schedule.get_last_lr()
        optimizer.step()
        if len(rates) < steps:
            schedule.step()
    return rates


class Accuracy(recipe.Accuracy):
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        super().__init__(task, data, setting)
        steps = -(-task.rows // RECIPE.MINIBATCH)
        self.rates = learning_rates(steps * RECIPE.EPOCHS)
        self.gradients = None
        if setting["mode"] == "compiled":
            self.gradients = torch.compile(gradients, fullgraph=True, dynamic=False)

    def accuracy(self, seed: int) -> float:
        torch.set_flush_denormal(True)  # as mlpcore does where it updates
        torch.set_num_threads(self.setting["threads"])
        torch.manual_seed(seed)
        with ThreadPoolExecutor() as pool:
            training, (X, y) = pool.map(lambda part: read(self.folder, part), ["train", "t10k"])
        parameters = self.train(*training)
        with torch.inference_mode():
            return (network(X, *parameters).argmax(1) == y).double().mean().item()

    def train(self, X: torch.Tensor, y: torch.Tensor) -> list[torch.Tensor]:
        parameters = [p.requires_grad_() for p in starting_parameters()]
        optimizer = torch.optim.Adam(parameters, fused=True)
        (group,) = optimizer.param_groups
        rates = iter(self.rates)
        for _ in range(RECIPE.EPOCHS):
            for rows in torch.randperm(len(X)).split(RECIPE.MINIBATCH):
                if self.gradients:
                    with torch.no_grad():
                        found = self.gradients(parameters, X, y, rows)
                    for parameter, gradient in zip(parameters, found, strict=True):
                        parameter.grad = gradient
                else:
                    optimizer.zero_grad()
                    loss(parameters, X[rows], y[rows]).backward()
                group["lr"] = next(rates)
                optimizer.step()
        return parameters


ACTIONS = {"accuracy": Accuracy}
