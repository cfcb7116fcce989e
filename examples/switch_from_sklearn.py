"""Switch from scikit-learn's MLPClassifier to mlpcore's: change one line, keep the rest.

    python examples/switch_from_sklearn.py            # the small digits that are part of mlpcore
    python examples/switch_from_sklearn.py --mnist    # MNIST, from the cache or MLPCORE_DATA

The same program runs twice, with either import line, and prints both times.
It needs scikit-learn: pip install "mlpcore[sklearn]".
"""

import argparse
import time
import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from mlpcore.datasets import fetch_mnist, load_digits, load_mnist

BEFORE = "from sklearn.neural_network import MLPClassifier"
AFTER = "from mlpcore.sklearn import MLPClassifier"

parser = argparse.ArgumentParser(description="scikit-learn's MLPClassifier and mlpcore's, timed.")
parser.add_argument("--mnist", action="store_true", help="train on MNIST")
parser.add_argument("--epochs", type=int, help="default: 60, or 5 for MNIST")
args = parser.parse_args()
epochs = (5 if args.mnist else 60) if args.epochs is None else args.epochs
if epochs < 1:
    parser.error(f"--epochs must be at least 1; got {epochs}")

if args.mnist:
    try:
        folder = fetch_mnist()
    except (ImportError, OSError) as error:
        parser.error(f"MNIST is not available: {error}")
    (X_train, y_train), (X_test, y_test) = (load_mnist(folder, kind) for kind in ("train", "test"))
else:
    X, y = load_digits()
    X_train, X_test, y_train, y_test = X[:1500], X[1500:], y[:1500], y[1500:]


def program(line):
    """The program itself, after its import line."""
    names = {}
    exec(line, names)
    MLPClassifier = names["MLPClassifier"]

    model = make_pipeline(MinMaxScaler(), MLPClassifier(random_state=1, max_iter=epochs))
    start = time.perf_counter()
    model.fit(X_train, y_train)
    seconds = time.perf_counter() - start
    return model, seconds


warnings.simplefilter("ignore", ConvergenceWarning)  # so few epochs do not quite get there
program(AFTER)  # a warm-up: the first run also loads modules that both need
rows = []
for line in (BEFORE, AFTER):
    model, seconds = program(line)
    rows.append((model, seconds))
    loss, accuracy = model[-1].loss_, model.score(X_test, y_test)
    print(f"{line:<50}{seconds:8.2f} s   loss {loss:.6f}   test accuracy {accuracy:.2%}")

(theirs, slow), (ours, fast) = rows
print(f"{slow / fast:.1f} times as fast.")
gap = np.max(np.abs(np.array(ours[-1].loss_curve_) / theirs[-1].loss_curve_ - 1))
print(f"Largest relative difference of the loss in {ours[-1].n_iter_} epochs: {gap:.0e}")

# And back, to keep scikit-learn's own class.
back = ours[-1].to_sklearn()
same = np.mean(back.predict(ours[:-1].transform(X_test)) == ours.predict(X_test))
print(f"to_sklearn() gives a {type(back).__module__.split('.')[0]} {type(back).__name__}, which")
print(f"predicts the same for {same:.0%} of the test rows.")
