"""Optuna suggests hyperparameters here, and Dask's workers train with them, two at a time.

pip install mlpcore optuna "dask[distributed]"
"""

import optuna
from dask.distributed import Client, as_completed

from mlpcore import NeuralNetMLP, load_digits


def accuracy(parameters):
    """What a worker does: only numbers come in, and one goes back."""
    X, y = load_digits()
    nn = NeuralNetMLP(epochs=15, minibatch_size=20, seed=1, progress=False, **parameters)
    return nn.fit(X[:1400], y[:1400], X[1400:], y[1400:]).eval_["valid_acc"][-1]


if __name__ == "__main__":  # Dask's workers import this file
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=1, constant_liar=True)
    )

    def submit(client):
        trial = study.ask()
        parameters = {
            "n_hidden": trial.suggest_int("n_hidden", 10, 100, log=True),
            "l2": trial.suggest_float("l2", 1e-4, 1, log=True),
            "eta": trial.suggest_float("eta", 1e-4, 1e-1, log=True),
        }
        future = client.submit(accuracy, parameters)
        trials[future.key] = trial
        return future

    trials = {}
    with Client(n_workers=2, threads_per_worker=1, dashboard_address=None) as client:
        running = as_completed([submit(client) for _ in range(2)])
        for future in running:
            study.tell(trials[future.key], future.result())
            if len(trials) < 16:
                running.add(submit(client))
    print(f"{study.best_value:.1%} with {study.best_params}, of {len(study.trials)} trials")
