"""
Optimisers and schedules
========================

The same network by five rules. Plain gradient descent needs the most epochs; with a learning rate
that rises once and falls again ("one_cycle"), Adam needs the fewest.
"""

import matplotlib.pyplot as plt

from mlpcore import NeuralNetMLP, load_digits

X, y = load_digits()
rules = {
    "sgd": {"eta": 0.005},
    "momentum": {"optimizer": "momentum", "eta": 0.002},
    "nesterov": {"optimizer": "nesterov", "eta": 0.002},
    "adam": {"optimizer": "adam", "eta": 0.003},
    "adam, one_cycle": {"optimizer": "adam", "schedule": "one_cycle", "eta": 0.02},
}
fig, ax = plt.subplots(figsize=(7, 4), layout="constrained")
for name, options in rules.items():
    nn = NeuralNetMLP(n_hidden=50, epochs=20, minibatch_size=20, seed=1, **options)
    nn.fit(X[:1400], y[:1400], X[1400:], y[1400:])
    ax.plot(range(1, 21), nn.eval_["valid_acc"], label=name)
ax.set(xlabel="epoch", ylabel="validation accuracy", xticks=range(0, 21, 5), ylim=(0.7, None))
ax.legend()
