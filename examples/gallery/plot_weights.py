"""
What hidden units look for
==========================

The weights that lead into a hidden unit are a picture: ink on a red pixel raises the unit's input,
ink on a blue one lowers it.
"""

from mlpcore import NeuralNetMLP, load_digits
from mlpcore.plotting import plot_weights

X, y = load_digits()

# %%
# After some epochs, most units have found strokes and places.
nn = NeuralNetMLP(n_hidden=20, l2=0.1, epochs=100, eta=0.005, minibatch_size=20, seed=1)
plot_weights(nn.fit(X, y).w_h)

# %%
# An L1 penalty leaves only the weights that are needed; the pixels at the border are never inked.
from mlpcore.sklearn import MLPClassifier  # noqa: E402

clf = MLPClassifier((20,), l1=0.5, learning_rate="one_cycle", learning_rate_init=0.02, max_iter=60)
clf.set_params(random_state=1).fit(X, y)
print(f"{clf.score(X, y):.1%} with {(abs(clf.coefs_[0]) > 1e-3).mean():.0%} of the weights")
plot_weights(clf.coefs_[0])
