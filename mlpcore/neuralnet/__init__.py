"""The textbook's class on the compiled engine.

- `_model`: the class itself, its parameters and `fit`
- `_parameters`: their checks, and `Settings`, the frozen result for one fit
- `_estimator`: the interface that scikit-learn's tools need
- `_data`: the checks of the rows and labels that `fit` gets, and the engine's inputs made of them
- `_run`: the textbook's conventions of a training run
- `_fitted`: prediction, scores, weights by name, pickles
- `_convert`: scikit-learn's estimator with the same weights; ONNX files
- `_html`: what a notebook shows
- `_persistence`: model files
"""

from mlpcore.neuralnet._model import NeuralNetMLP

__all__ = ["NeuralNetMLP"]
