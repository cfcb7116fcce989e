"""Optuna chooses hyperparameters, and stops trials early that fall behind.

pip install "mlpcore" optuna
"""

import optuna

from mlpcore import NeuralNetMLP, load_digits

X, y = load_digits()
X_train, y_train, X_valid, y_valid = X[:1400], y[:1400], X[1400:], y[1400:]


def objective(trial):
    def report(epoch, history):
        trial.report(history["valid_acc"][-1], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned  # it passes through fit

    nn = NeuralNetMLP(
        n_hidden=trial.suggest_int("n_hidden", 10, 100, log=True),
        l2=trial.suggest_float("l2", 1e-4, 1, log=True),
        eta=trial.suggest_float("eta", 1e-4, 1e-1, log=True),
        activation=trial.suggest_categorical("activation", ["logistic", "relu", "gelu"]),
        epochs=15,
        minibatch_size=20,
        seed=1,
        callback=report,
    )
    return nn.fit(X_train, y_train, X_valid, y_valid).eval_["valid_acc"][-1]


optuna.logging.set_verbosity(optuna.logging.WARNING)
study = optuna.create_study(
    direction="maximize",
    sampler=optuna.samplers.TPESampler(seed=1),
    pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=3),
)
study.optimize(objective, n_trials=20)
pruned = sum(trial.state == optuna.trial.TrialState.PRUNED for trial in study.trials)
print(f"{study.best_value:.1%} with {study.best_params}; {pruned} of 20 trials were stopped early")
