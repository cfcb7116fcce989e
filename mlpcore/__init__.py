"""Multi-layer perceptrons on the CPU: a compiled engine behind a NumPy interface.

`NeuralNetMLP` is the classifier; `load_mnist` and its neighbours read data; `mlpcore.plotting`
draws pictures; `mlpcore.engine` is the compiled part, open to `cimport`.
"""

from mlpcore._config import show_config
from mlpcore._files import load_npz, save_npz
from mlpcore._validation import NotFittedError
from mlpcore._version import __version__ as __version__
from mlpcore.datasets import IDXError, fetch_mnist, load_digits, load_mnist, read_idx, write_idx
from mlpcore.neuralnet import NeuralNetMLP

__all__ = [
    "IDXError",
    "NeuralNetMLP",
    "NotFittedError",
    "fetch_mnist",
    "load_digits",
    "load_mnist",
    "load_npz",
    "read_idx",
    "save_npz",
    "show_config",
    "write_idx",
]
