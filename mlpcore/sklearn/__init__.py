"""scikit-learn's multi-layer perceptrons on the compiled engine.

    from mlpcore.sklearn import MLPClassifier, MLPRegressor

instead of ``from sklearn.neural_network import ...``: the same parameters, attributes and, with the
same ``random_state``, the same networks. Extensions are off by default and given by keyword.
It needs scikit-learn 1.6 or newer: ``pip install "mlpcore[sklearn]"``.

- `_classifier`, `_regressor`: the two classes, and how they read y
- `_signatures`: their constructors, and what their docstrings have in common
- `_base`: their common base: `fit`, starting weights, attributes, pickles
- `_parameters`, `_network`: the parameters; the network, its weights as attributes, its outputs
- `_data`: rows, targets and weights as training needs them
- `_solvers`, `_lbfgs`: a fit as a run of `mlpcore.training`; L-BFGS
- `_optimizer`: the state of a stochastic solver from one fit to the next
- `_held_out`: validation rows and their score
- `_resume`, `_callbacks`: checkpoints; scikit-learn's callbacks
- `_convert`: to and from scikit-learn's own classes
- `_onnx`, `_skl2onnx`: ONNX files; the conversion of pipelines by sklearn-onnx
"""

from mlpcore.sklearn._classifier import MLPClassifier
from mlpcore.sklearn._regressor import MLPRegressor
from mlpcore.sklearn._skl2onnx import register_onnx

__all__ = ["MLPClassifier", "MLPRegressor", "register_onnx"]
