"""Distortions with SciPy, an image at a time: smoothed field, affine map, one interpolation."""

from collections.abc import Iterable

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from benchmarks.tasks import AFFINE, BACKGROUND, ELASTIC, Data, Task

SIDE = 28


def settings(task: Task, threads: int) -> Iterable[dict]:
    return [{"threads": 1}]


class Distort:
    def __init__(self, task: Task, data: Data, setting: dict) -> None:
        self.X = data.X.reshape(-1, SIDE, SIDE)
        self.rng = np.random.default_rng(task.seed)

    def run(self, epochs: int) -> None:
        for _ in range(epochs):
            self.images = np.stack([self.distorted(image) for image in self.X])

    def distorted(self, image: np.ndarray) -> np.ndarray:
        rng, sigma = self.rng, ELASTIC["smoothness"]
        # The smoothed noise has this standard deviation: the sum of the squared weights.
        spread = 1 / (np.sqrt(3) * np.sqrt(4 * np.pi) * sigma)
        noise = rng.uniform(-1, 1, (2, SIDE, SIDE)).astype(np.float32)
        field = gaussian_filter(noise, (0, sigma, sigma)) * (ELASTIC["elastic"] / spread)
        angle, shear = np.radians(
            [rng.uniform(-AFFINE[name], AFFINE[name]) for name in ("rotation", "shear")]
        )
        wide, high = 1 + rng.uniform(-AFFINE["scale"], AFFINE["scale"], 2)
        shift = rng.uniform(-AFFINE["translation"], AFFINE["translation"], (2, 1, 1))
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        matrix = turn @ np.array([[1, 0], [np.tan(shear), 1]]) @ np.diag([high, wide])
        middle = (SIDE - 1) / 2
        places = np.tensordot(matrix, np.indices(image.shape) - middle, 1) + middle + shift + field
        return map_coordinates(image, places, order=1, mode="constant", cval=BACKGROUND)

    def outcome(self) -> dict[str, float]:
        return {"change": float(np.mean(np.abs(self.images - self.X)))}


ACTIONS = {"distort": Distort}
