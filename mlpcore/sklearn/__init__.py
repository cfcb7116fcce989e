"""scikit-learn's multi-layer perceptrons on the compiled engine.

    from mlpcore.sklearn import MLPClassifier, MLPRegressor

instead of ``from sklearn.neural_network import ...``: the same parameters, attributes and, with the
same ``random_state``, the same networks. What is on top is off by default and given by keyword.
It needs scikit-learn 1.6 or newer: ``pip install "mlpcore[sklearn]"``.

- `_classifier`, `_regressor`: the two classes, and how they read y
- `_parameters`, `_base`: what they share: parameters; `fit`, the network, prediction
- `_table`, `_class_weight`: rows, targets and weights as training needs them; weights of classes
- `_solvers`, `_lbfgs`: epochs, schedules, stopping and callbacks; L-BFGS
- `_held_out`: validation rows, their score, and the best weights by it
- `_convert`: to and from scikit-learn's own classes
- `_threads`: how many threads are there for a fit
"""

from mlpcore.sklearn._classifier import MLPClassifier
from mlpcore.sklearn._regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
