"""
The same bits on any number of threads
======================================

Results do not depend on how many threads compute them: not roughly, but to the last bit. Sums are
made in an order that does not depend on the number of threads.
"""

import numpy as np

from mlpcore import NeuralNetMLP, load_digits

X, y = load_digits()
models = {
    n_threads: NeuralNetMLP(
        n_hidden=100, epochs=10, eta=0.005, minibatch_size=50, seed=1, n_threads=n_threads
    ).fit(X, y)
    for n_threads in (1, 2, 4)
}
for n_threads, nn in models.items():
    print(f"{n_threads} threads: cost {nn.eval_['cost'][-1]!r}, a weight of {nn.w_h[20, 7]!r}")

# %%
# All weights are equal.
first = models[1]
for nn in models.values():
    assert np.array_equal(nn.w_h, first.w_h)
    assert np.array_equal(nn.w_out, first.w_out)
