"""Versions, BLAS, instruction set and threads of this installation."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np

from mlpcore._threads import available_threads
from mlpcore.engine.kernels import instruction_set


def show_config(mode: str = "stdout") -> dict[str, Any] | None:
    """Show versions, the BLAS in use, the instruction set chosen and the threads.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default="stdout"
        Whether to print or to return them, as in `numpy.show_config`.

    Returns
    -------
    config : dict or None
        With "dicts": ``mlpcore``, ``python``, ``numpy`` and ``scipy`` (versions), ``machine``,
        ``simd`` ("v4", "v3" or "base"; see `mlpcore.engine.kernels.instruction_set`), ``blas``
        (library, version and architecture of each BLAS that the process has loaded) and
        ``threads`` (the number for ``n_threads=None``: no more than the process's cores, the CPU
        quota of its container, and ``OMP_NUM_THREADS`` and ``LOKY_MAX_CPU_COUNT``).

    Raises
    ------
    ValueError
        If `mode` is neither.
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f'mode must be "stdout" or "dicts"; got {mode!r}.')
    import scipy
    import threadpoolctl

    from mlpcore._version import __version__

    config = {
        "mlpcore": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "machine": platform.machine(),
        "simd": instruction_set(),
        "blas": [
            " ".join(str(library.get(key)) for key in ("internal_api", "version", "architecture"))
            for library in threadpoolctl.threadpool_info()
            if library["user_api"] == "blas"
        ],
        "threads": available_threads(),
    }
    if mode == "dicts":
        return config
    for name, value in config.items():
        print(f"{name:>8}: {', '.join(value) if isinstance(value, list) else value}")
    return None
