"""
Recognise handwritten digits
============================

From the data to the mistakes of the model, in a dozen lines.
"""

import numpy as np

from mlpcore import NeuralNetMLP, load_digits
from mlpcore.plotting import plot_confusion, plot_digits, plot_history, plot_misclassified

# %%
# One of each class. The images have 8 x 8 pixels, in one row of 64 numbers from -1 to 1.
X, y = load_digits()
_, one_of_each = np.unique(y, return_index=True)
plot_digits(X[one_of_each], y[one_of_each])

# %%
# Some are for training, some for watching it (validation), and the last ones for the test. Other
# people wrote the last rows of the data set, so the rows are shuffled first.
order = np.random.default_rng(0).permutation(len(X))
X, y = X[order], y[order]
nn = NeuralNetMLP(n_hidden=50, l2=0.01, epochs=100, eta=0.005, minibatch_size=20, seed=1)
nn.fit(X[:1400], y[:1400], X[1400:1600], y[1400:1600])
plot_history(nn)

# %%
# The test, and which digits are taken for which.
y_pred = nn.predict(X[1600:])
print(f"{np.mean(y_pred == y[1600:]):.1%} of unseen digits are recognised")
plot_confusion(y[1600:], y_pred)

# %%
# The mistakes themselves.
plot_misclassified(X[1600:], y[1600:], y_pred)
