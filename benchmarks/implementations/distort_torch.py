"""torchvision's distortions, by themselves and in PyTorch's training.

Each image has its own distortion, so that torchvision takes one at a time: here, or in the
processes of a DataLoader. The step that follows is eager or compiled; a short trial picks.
"""

from collections.abc import Iterable
from itertools import pairwise

import torch
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import InterpolationMode, v2

from benchmarks.tasks import AFFINE, BACKGROUND, ELASTIC, N_CLASSES, Data, Task

SIDE = 28


def settings(task: Task, threads: int) -> Iterable[dict]:
    modes = ("eager", "compiled") if task.action == "distorted fit" else ("eager",)
    for mode in modes:
        for processes in sorted({0, threads}):
            yield {"mode": mode, "threads": threads, "processes": processes}


def distortion() -> torch.nn.Module:
    sigma = ELASTIC["smoothness"]
    spread = 1 / (3**0.5 * (4 * torch.pi) ** 0.5 * sigma)  # of the smoothed noise
    shift, scale = AFFINE["translation"] / SIDE, AFFINE["scale"]
    return v2.Compose(
        [
            v2.ElasticTransform(ELASTIC["elastic"] / spread, sigma, fill=BACKGROUND),
            v2.RandomAffine(
                AFFINE["rotation"],
                translate=(shift, shift),
                scale=(1 - scale, 1 + scale),
                shear=(-AFFINE["shear"], AFFINE["shear"]),
                interpolation=InterpolationMode.BILINEAR,
                fill=BACKGROUND,
            ),
        ]
    )


class Images(Dataset):
    def __init__(self, data: Data) -> None:
        self.X = torch.from_numpy(data.X).reshape(-1, 1, SIDE, SIDE)
        self.y = torch.from_numpy(data.y)
        self.distortion = distortion()

    def __len__(self) -> int:
        return len(self.X)

    def __getitem__(self, row: int):
        return self.distortion(self.X[row]), self.y[row]


class Distort:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        torch.manual_seed(task.seed)
        # In another process one thread is best: its images are small.
        torch.set_num_threads(1 if setting["processes"] else setting["threads"])
        self.loader = DataLoader(
            Images(data),
            batch_size=task.batch,
            shuffle=True,
            drop_last=True,
            num_workers=setting["processes"],
            persistent_workers=setting["processes"] > 0,
        )

    @torch.no_grad()
    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            for batch in self.loader:
                self.last = batch

    def outcome(self) -> dict[str, float]:
        return {}


class Fit(Distort):
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        super().__init__(task, data, setting)
        self.task, self.data, self.setting = task, data, setting
        self.network = self.step = None

    def begin(self) -> None:
        task = self.task
        layers = []
        widths = (SIDE * SIDE, *task.hidden)
        for inputs, units in pairwise(widths):
            layers += [torch.nn.Linear(inputs, units), torch.nn.ReLU()]
            layers += [torch.nn.Dropout(task.dropout)]
        network = torch.nn.Sequential(*layers, torch.nn.Linear(task.hidden[-1], N_CLASSES))
        if self.network is None:
            self.network = network
            self.loss = lambda X, y: F.cross_entropy(self.network(X), y)
            if self.setting["mode"] == "compiled":
                self.loss = torch.compile(self.loss, fullgraph=True, dynamic=False)
        else:
            self.network.load_state_dict(network.state_dict())
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=task.eta, weight_decay=task.l2, fused=True
        )

    def run(self, epochs: int) -> None:
        torch.set_num_threads(self.setting["threads"])
        self.begin()
        self.network.train()
        for _ in range(epochs):
            for X, y in self.loader:
                self.optimizer.zero_grad()
                self.loss(X.flatten(1), y).backward()
                self.optimizer.step()
        self.network.eval()
        with torch.inference_mode():
            z = self.network(torch.from_numpy(self.data.X_valid))
        self.correct = (z.argmax(1) == torch.from_numpy(self.data.y_valid)).double().mean().item()

    def outcome(self) -> dict[str, float]:
        return {"valid_acc": self.correct}


ACTIONS = {"distort": Distort, "distorted fit": Fit}
