"""MLflow keeps parameters, curves and the model of each run.

pip install "mlpcore" mlflow
"""

import os

import mlflow

from mlpcore import NeuralNetMLP, load_digits

X, y = load_digits()
# Runs as files in a folder, which has to be allowed; or the address of a server.
os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
mlflow.set_tracking_uri("file:./mlruns")
mlflow.set_experiment("digits")


def log(epoch, history):
    newest = {name: values[-1] for name, values in history.items() if values}
    mlflow.log_metrics(newest, step=epoch)


nn = NeuralNetMLP(n_hidden=50, epochs=20, eta=0.005, minibatch_size=20, seed=1, callback=log)
with mlflow.start_run() as run:
    mlflow.log_params({name: nn.get_params()[name] for name in ["n_hidden", "eta", "epochs"]})
    nn.fit(X[:1400], y[:1400], X[1400:], y[1400:])
    nn.save("digits.npz")
    mlflow.log_artifact("digits.npz")

curve = mlflow.MlflowClient().get_metric_history(run.info.run_id, "valid_acc")
print(f"{len(curve)} epochs, from {curve[0].value:.1%} to {curve[-1].value:.1%}")
