"""PyTorch on tables: Adam, eager or compiled, its rows gathered in either of two ways.

It sums up no losses, as scikit-learn and mlpcore do, and so has less to do.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch.nn import functional as F

from benchmarks.implementations import adam, torch_
from benchmarks.tasks import Data, EstimatorStart, Task


def settings(task: Task, threads: int) -> Iterable[dict]:
    for setting in torch_.settings(task, threads):
        for gathers in ("minibatches", "epochs"):
            yield {**setting, "gathers": gathers}


def network(x, weights, biases):
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        x = torch.relu(torch.addmm(b, x, w))
    return torch.addmm(biases[-1], x, weights[-1]).squeeze(1)


def loss(target: str, x, y, weights, biases):
    z = network(x, weights, biases)
    if target == "number":
        return F.mse_loss(z, y) / 2
    return F.binary_cross_entropy_with_logits(z, y)


def compiled_step(task: Task):
    """The gradient and Adam's update as one function of the weights, which it changes in place."""
    decay = adam.ALPHA / task.batch

    def update(p, g, m, v, rate):
        m.mul_(adam.BETA_1).add_(g, alpha=1 - adam.BETA_1)
        v.mul_(adam.BETA_2).addcmul_(g, g, value=1 - adam.BETA_2)
        p.sub_(rate * m / (v.sqrt() + adam.EPSILON))

    def step(x, y, rate, weights, biases, means, squares):
        def of_parameters(weights, biases):
            return loss(task.target, x, y, weights, biases)

        grad_w, grad_b = torch.func.grad(of_parameters, argnums=(0, 1))(weights, biases)
        gradient = [g + decay * w for g, w in zip(grad_w, weights, strict=True)] + list(grad_b)
        for each in zip(weights + biases, gradient, means, squares, strict=True):
            update(*each, rate)

    def gathering(X, y, rows, *rest):
        step(X[rows], y[rows], *rest)

    options = {"fullgraph": True, "dynamic": False}
    return torch.compile(step, **options), torch.compile(gathering, **options)


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.task, self.data, self.setting = task, data, setting
        self.X, self.y = torch.from_numpy(data.X), torch.from_numpy(data.y.astype(task.dtype))
        if setting["mode"] == "compiled":
            self.step, self.gathering_step = compiled_step(task)

    def run(self, epochs: int) -> None:
        torch.set_num_threads(self.setting["threads"])
        start = EstimatorStart(self.task)
        self.weights, self.biases = (
            [torch.from_numpy(a) for a in arrays] for arrays in (start.weights, start.biases)
        )
        train = self.compiled if self.setting["mode"] == "compiled" else self.eager
        train(start, epochs)

    def minibatches(self, batches: torch.Tensor):
        if self.setting["gathers"] == "epochs":
            order, size = batches.flatten(), self.task.batch
            return zip(self.X[order].split(size), self.y[order].split(size), strict=True)
        return ((self.X[rows], self.y[rows]) for rows in batches)

    def eager(self, start: EstimatorStart, epochs: int) -> None:
        weights, biases = self.weights, self.biases
        for parameter in weights + biases:
            parameter.requires_grad_()
        decay = adam.ALPHA / self.task.batch
        groups = [{"params": weights, "weight_decay": decay}, {"params": biases}]
        betas = adam.BETA_1, adam.BETA_2
        optimizer = torch.optim.Adam(groups, lr=adam.RATE, betas=betas, fused=True)
        for number in range(epochs):
            batches = torch.from_numpy(start.batches())
            # PyTorch adds epsilon after the correction, so it is corrected beforehand.
            _, roots = adam.corrections(number * len(batches), len(batches))
            epsilons = (adam.EPSILON / roots).tolist()
            for (x, y), epsilon in zip(self.minibatches(batches), epsilons, strict=True):
                optimizer.zero_grad()
                loss(self.task.target, x, y, weights, biases).backward()
                for group in optimizer.param_groups:
                    group["eps"] = epsilon
                optimizer.step()

    @torch.no_grad()
    def compiled(self, start: EstimatorStart, epochs: int) -> None:
        parameters = self.weights + self.biases
        means, squares = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        rest = self.weights, self.biases, means, squares
        for number in range(epochs):
            batches = torch.from_numpy(start.batches())
            rates = adam.rates(number * len(batches), len(batches)).astype(self.task.dtype)
            rates = torch.from_numpy(rates)
            if self.setting["gathers"] == "epochs":
                for (x, y), rate in zip(self.minibatches(batches), rates, strict=True):
                    self.step(x, y, rate, *rest)
            else:
                for rows, rate in zip(batches, rates, strict=True):
                    self.gathering_step(self.X, self.y, rows, rate, *rest)

    def outcome(self) -> dict[str, float]:
        weights, biases = (
            [a.detach().numpy().astype(np.float64) for a in arrays]
            for arrays in (self.weights, self.biases)
        )
        return {"cost": adam.cost(self.task, self.data, weights, biases)}


ACTIONS = {"fit": Fit}
