"""Data sets and files: IDX, MNIST, a small set of digits, and ``.npz`` files of arrays.

Nothing here imports the engine, and nothing is downloaded unless `fetch_mnist` is called.
"""

from mlpcore._files import load_npz, save_npz
from mlpcore.datasets._digits import load_digits
from mlpcore.datasets._fetch import MIRRORS, fetch_mnist
from mlpcore.datasets._idx import open_idx, read_idx, write_idx
from mlpcore.datasets._mnist import load_mnist
from mlpcore.datasets._parquet import open_parquet
from mlpcore.datasets._source import IDXError

__all__ = [
    "MIRRORS",
    "IDXError",
    "fetch_mnist",
    "load_digits",
    "load_mnist",
    "load_npz",
    "open_idx",
    "open_parquet",
    "read_idx",
    "save_npz",
    "write_idx",
]
