"""Dask runs the fits of a search on many cores or machines.

pip install "mlpcore[sklearn]" "dask[distributed]"
"""

import joblib
from dask.distributed import Client
from sklearn.model_selection import GridSearchCV

from mlpcore import load_digits
from mlpcore.sklearn import MLPClassifier

X, y = load_digits()

if __name__ == "__main__":  # Dask's workers import this file
    search = GridSearchCV(
        MLPClassifier(learning_rate="one_cycle", max_iter=15, random_state=1),
        {"learning_rate_init": [0.001, 0.01], "hidden_layer_sizes": [20, 50]},
        cv=3,
    )
    # Each worker runs fits on one thread; `Client("scheduler:8786")` is a cluster.
    with (
        Client(n_workers=2, threads_per_worker=1, dashboard_address=None),
        joblib.parallel_backend("dask"),
    ):
        search.fit(X, y)
    print(f"{search.best_score_:.1%} with {search.best_params_}")
