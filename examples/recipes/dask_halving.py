"""A search by successive halving on Dask's workers: most candidates get a few epochs only.

pip install "mlpcore[sklearn]" "dask[distributed]"
"""

import warnings

import joblib
from dask.distributed import Client
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV

from mlpcore import load_digits
from mlpcore.sklearn import MLPClassifier

X, y = load_digits()

if __name__ == "__main__":  # Dask's workers import this file
    warnings.simplefilter("ignore", ConvergenceWarning)
    search = HalvingGridSearchCV(
        MLPClassifier(random_state=1),
        {"learning_rate_init": [0.0003, 0.003, 0.03], "hidden_layer_sizes": [10, 30, 100]},
        resource="max_iter",
        min_resources=4,
        max_resources=36,
        cv=3,
        random_state=1,
    )
    with (
        Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client,
        joblib.parallel_backend("dask"),
    ):
        client.run(warnings.simplefilter, "ignore", ConvergenceWarning)
        search.fit(X, y)
    rounds = ", ".join(
        f"{n} candidates with {epochs} epochs"
        for n, epochs in zip(search.n_candidates_, search.n_resources_, strict=True)
    )
    print(rounds)
    print(f"{search.best_score_:.1%} with {search.best_params_}")
