"""Blocks of a Dask array, one after the other, through partial_fit on the workers of a cluster.

pip install "mlpcore[sklearn]" "dask[distributed]" dask-ml
"""

import dask.array as da
import numpy as np
from dask.distributed import Client
from dask_ml.wrappers import Incremental

from mlpcore import load_digits
from mlpcore.sklearn import MLPClassifier

X, y = load_digits()
classes = np.arange(10)

if __name__ == "__main__":  # Dask's workers import this file
    blocks = da.from_array(X, chunks=(400, 64)), da.from_array(y, chunks=400)
    new = MLPClassifier(learning_rate_init=0.01, random_state=1)
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
        model = Incremental(new, shuffle_blocks=False)
        for _ in range(10):
            model.partial_fit(*blocks, classes=classes)
        trained = model.estimator_
    for _ in range(10):
        for first in range(0, len(X), 400):
            new.partial_fit(X[first : first + 400], y[first : first + 400], classes=classes)
    same = all(map(np.array_equal, trained.coefs_, new.coefs_))
    print(f"{trained.score(X, y):.1%}; the weights of partial_fit without Dask: {same}")
