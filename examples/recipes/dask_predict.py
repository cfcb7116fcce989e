"""Predictions for a Dask array, block by block on the workers of a cluster.

pip install "mlpcore[sklearn]" "dask[distributed]" dask-ml
"""

import pickle

import dask.array as da
import numpy as np
from dask.distributed import Client
from dask_ml.wrappers import ParallelPostFit

from mlpcore import load_digits
from mlpcore.sklearn import MLPClassifier

X, y = load_digits()

if __name__ == "__main__":  # Dask's workers import this file
    model = MLPClassifier(learning_rate="one_cycle", max_iter=15, random_state=1).fit(X, y)
    small = model.without_optimizer()  # what is sent to each worker
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None):
        many = da.concatenate([da.from_array(X, chunks=(500, 64))] * 20)
        labels = ParallelPostFit(small).predict(many).compute()
    assert np.array_equal(labels, np.tile(model.predict(X), 20))
    sizes = [len(pickle.dumps(one)) / 1024 for one in (model, small)]
    print(f"{(labels == np.tile(y, 20)).mean():.1%} of {len(labels)} rows")
    print(f"The model is {sizes[1]:.0f} KB, {sizes[0]:.0f} with the state of Adam")
