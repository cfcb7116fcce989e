"""
An interval around a prediction
===============================

The pinball loss makes a regressor estimate a quantile in place of the mean. Three of them give a
median and a band that holds 80 % of the points, here of made-up numbers whose noise grows.
"""

import matplotlib.pyplot as plt
import numpy as np

from mlpcore.sklearn import MLPRegressor

rng = np.random.default_rng(1)
x = np.sort(rng.uniform(0, 6, 800))
y = np.sin(x) + rng.normal(0, 0.05 + 0.08 * x)
X = x.reshape(-1, 1)

# %%
# One model for each quantile.
estimates = {}
for quantile in (0.1, 0.5, 0.9):
    model = MLPRegressor(
        loss="pinball",
        quantile=quantile,
        hidden_layer_sizes=(40, 40),
        activation="tanh",
        learning_rate="one_cycle",
        learning_rate_init=0.01,
        max_iter=300,
        batch_size=50,
        random_state=1,
    )
    estimates[quantile] = model.fit(X, y).predict(X)

fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
ax.plot(x, y, ".", color="0.6", markersize=3, label="data")
ax.fill_between(x, estimates[0.1], estimates[0.9], alpha=0.3, label="80 % of the data")
ax.plot(x, estimates[0.5], label="median")
ax.set(xlabel="x", ylabel="y")
ax.legend()
inside = np.mean((estimates[0.1] <= y) & (y <= estimates[0.9]))
print(f"{inside:.1%} of the points are inside the band")
