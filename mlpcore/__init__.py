"""Multi-layer perceptrons on the CPU: a compiled engine behind a NumPy interface.

`NeuralNetMLP` is the classifier, and `Distortion` varies its images; `load_mnist` and its
neighbours read data; `mlpcore.plotting` draws figures; `mlpcore.engine` is the compiled part, which
can be cimported.
"""

from mlpcore._version import __version__ as __version__
from mlpcore.exceptions import NotFittedError

try:
    from mlpcore._config import show_config
    from mlpcore._files import load_npz, save_npz
    from mlpcore._rank_rows import rank_rows
    from mlpcore.datasets import (
        IDXError,
        fetch_mnist,
        load_digits,
        load_mnist,
        open_idx,
        open_parquet,
        read_idx,
        write_idx,
    )
    from mlpcore.distortion import Distortion
    from mlpcore.neuralnet import NeuralNetMLP
except ModuleNotFoundError as error:
    from pathlib import Path

    _folder = Path(__file__).parent
    # An installation has no Cython files.
    if not (_folder / "engine" / f"{error.name}.pyx".removeprefix("mlpcore.engine.")).is_file():
        raise
    raise ImportError(
        f"{_folder} is mlpcore's source folder, in which {error.name} is not compiled for this "
        "Python. Start Python in another folder to import the installed mlpcore, or compile this "
        "one with `pip install -e .`."
    ) from error

__all__ = [
    "Distortion",
    "IDXError",
    "NeuralNetMLP",
    "NotFittedError",
    "fetch_mnist",
    "load_digits",
    "load_mnist",
    "load_npz",
    "open_idx",
    "open_parquet",
    "rank_rows",
    "read_idx",
    "save_npz",
    "show_config",
    "write_idx",
]
