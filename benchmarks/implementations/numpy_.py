"""The textbook's formulas as fast as plain NumPy does them: the data's dtype, one pass each."""

import numpy as np

from benchmarks.implementations import textbook

settings = textbook.settings


class Fit(textbook.Fit):
    dtype = None

    def train_labels(self, z: np.ndarray) -> np.ndarray:
        return z.argmax(axis=1)


class Predict(Fit, textbook.Predict):
    pass


ACTIONS = {"fit": Fit, "predict": Predict}
