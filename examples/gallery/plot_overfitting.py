"""
Against overfitting
===================

Four networks on only 200 images, and how well each reads the other 1,597. A network that is large
for so few images learns them by heart.
"""

import matplotlib.pyplot as plt
import numpy as np

from mlpcore import Distortion, NeuralNetMLP, load_digits

X, y = load_digits()
order = np.random.default_rng(0).permutation(len(X))
train, valid = order[:200], order[200:]
remedies = {
    "nothing": {},
    "l2": {"l2": 0.3},
    "dropout": {"dropout": 0.4},
    "distorted copies": {
        "augment": Distortion(rotation=10, scale=0.1, translation=0.5, elastic=0.4, smoothness=2)
    },
}

# %%
# Each remedy is a keyword. The seed fixes all random numbers, so the networks differ in nothing
# else.
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), sharey=True, layout="constrained")
for name, options in remedies.items():
    nn = NeuralNetMLP(
        n_hidden=200,
        activation="relu",
        optimizer="adam",
        eta=0.001,
        epochs=120,
        minibatch_size=20,
        seed=1,
        **options,
    ).fit(X[train], y[train], X[valid], y[valid])
    left.plot(nn.eval_["train_acc"], label=name)
    right.plot(nn.eval_["valid_acc"], label=name)
    own, others = nn.eval_["train_acc"][-1], nn.eval_["valid_acc"][-1]
    print(f"{name:16} {own:.1%} of its images, {others:.1%} of others")
left.set(title="training images", xlabel="epoch", ylabel="accuracy", ylim=(0.8, 1.005))
right.set(title="other images", xlabel="epoch")
right.legend(loc="lower right")

# %%
# Or stop when the other images are no longer read better, and keep the best weights.
nn = NeuralNetMLP(
    n_hidden=200,
    activation="relu",
    optimizer="adam",
    eta=0.001,
    epochs=120,
    minibatch_size=20,
    seed=1,
    early_stopping=True,
    patience=15,
).fit(X[train], y[train], X[valid], y[valid])
print(f"stopped after {nn.n_iter_} epochs, with {nn.score(X[valid], y[valid]):.1%} of other images")
