"""PyTorch: eager and compiled, on one thread and on all; a short trial picks among the four.

Compiled means the whole step, from the gather of a minibatch to the update, in one call. Batches
are gathered by index: measured faster than permuting all rows first, and than a DataLoader.
"""

from collections.abc import Iterable

import numpy as np
import torch
from torch._inductor import config as inductor
from torch.nn import functional as F

from benchmarks.implementations import textbook
from benchmarks.tasks import Data, Start, Task, accuracy, one_hot

# A call of the compiled step goes through C++ instead of Python: 5 % faster at minibatch 100.
inductor.cpp_wrapper = True
BLOCK = 2000  # rows evaluated at once; 0.083 s for all of MNIST, against 0.11 s in one piece


def settings(task: Task, threads: int) -> Iterable[dict]:
    for mode in ("eager", "compiled"):
        for count in sorted({1, threads}):
            yield {"mode": mode, "threads": count}


def network(x, weights, biases):
    for w, b in zip(weights[:-1], biases[:-1], strict=True):
        x = torch.sigmoid(torch.addmm(b, x, w))
    return torch.addmm(biases[-1], x, weights[-1])


def cross_entropy(z, t):
    return F.binary_cross_entropy_with_logits(z, t, reduction="sum")


def compiled_step(eta: float, l2: float):
    """The whole training step as one function of the weights, which it updates in place."""

    def step(X, T, rows, weights, biases):
        def loss(weights, biases):
            return cross_entropy(network(X[rows], weights, biases), T[rows])

        grad_w, grad_b = torch.func.grad(loss, argnums=(0, 1))(weights, biases)
        for w, g in zip(weights, grad_w, strict=True):
            w -= eta * (g + l2 * w)
        for b, g in zip(biases, grad_b, strict=True):
            b -= eta * g

    return torch.compile(step, fullgraph=True, dynamic=False)


class Fit:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.task, self.setting = task, setting
        self.data = Data(*(torch.from_numpy(array) for array in data))
        self.T = torch.from_numpy(one_hot(data.y, task.dtype))
        if setting["mode"] == "compiled":
            self.step = compiled_step(task.eta, task.l2)

    def run(self, epochs: int) -> None:
        torch.set_num_threads(self.setting["threads"])
        train = self.compiled if self.setting["mode"] == "compiled" else self.eager
        start = Start(self.task)
        weights, biases = map(torch.from_numpy, start.weights), map(torch.from_numpy, start.biases)
        train(start, list(weights), list(biases), epochs)

    def eager(self, start: Start, weights: list, biases: list, epochs: int) -> None:
        task, X, T = self.task, self.data.X, self.T
        for parameter in weights + biases:
            parameter.requires_grad_()
        groups = [{"params": weights, "weight_decay": task.l2}, {"params": biases}]
        optimizer = torch.optim.SGD(groups, lr=task.eta, fused=True)
        for _ in range(epochs):
            for rows in torch.from_numpy(start.batches()):
                optimizer.zero_grad()
                cross_entropy(network(X[rows], weights, biases), T[rows]).backward()
                optimizer.step()
            self.evaluate(weights, biases)

    @torch.no_grad()
    def compiled(self, start: Start, weights: list, biases: list, epochs: int) -> None:
        for _ in range(epochs):
            for rows in torch.from_numpy(start.batches()):
                self.step(self.data.X, self.T, rows, weights, biases)
            self.evaluate(weights, biases)

    @torch.inference_mode()
    def evaluate(self, weights: list, biases: list) -> None:
        data, cost, correct = self.data, 0.0, 0
        for X, y, T in zip(*(part.split(BLOCK) for part in (data.X, data.y, self.T)), strict=True):
            z = network(X, weights, biases)
            cost += cross_entropy(z, T).item()
            correct += (z.argmax(1) == y).sum().item()
        z_valid = network(data.X_valid, weights, biases)
        self.evaluation = {
            "cost": cost + self.task.l2 * sum(w.square().sum().item() for w in weights),
            "train_acc": correct / len(data.X),
            "valid_acc": (z_valid.argmax(1) == data.y_valid).double().mean().item(),
        }

    def outcome(self) -> dict[str, float]:
        return self.evaluation


class Predict:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.setting, self.y = setting, data.y_valid
        weights, biases = textbook.trained(task, data)
        self.weights, self.biases = ([torch.from_numpy(a) for a in x] for x in (weights, biases))
        self.calls = torch.from_numpy(data.X_valid).split(task.batch)
        self.predict = predict
        if setting["mode"] == "compiled":
            self.predict = torch.compile(predict, fullgraph=True, dynamic=False)

    @torch.inference_mode()
    def run(self, passes: int) -> None:
        torch.set_num_threads(self.setting["threads"])
        for _ in range(passes):
            self.labels = [self.predict(x, self.weights, self.biases) for x in self.calls]

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": accuracy(np.concatenate(self.labels), self.y)}


def predict(x, weights, biases):
    return network(x, weights, biases).argmax(1)


ACTIONS = {"fit": Fit, "predict": Predict}
