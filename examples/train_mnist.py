"""Train the textbook's network on MNIST; save the model, its history, pictures, a page to draw on.

    python examples/train_mnist.py                  # the textbook's 200 epochs
    python examples/train_mnist.py --epochs 30      # a first impression
    python examples/train_mnist.py --dtype float64  # in the textbook's precision
    python examples/train_mnist.py --help           # everything else

Both precisions end at the textbook's accuracies on MNIST, 97.98 % of the validation images and
97.54 % of the test images. float32 is faster; float64 has the textbook's costs to all digits, too.
The page, draw_a_digit.html, answers while one draws on it in a browser.

MNIST comes from ``--data DIR``. Without that option it is looked for in the folder that
MLPCORE_DATA names, or else in a cache, and downloaded if it is not there. Without a network the
script says so and trains on the small handwritten digits that are part of mlpcore.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from mlpcore import NeuralNetMLP
from mlpcore.datasets import fetch_mnist, load_digits, load_mnist, save_npz
from mlpcore.plotting import (
    plot_accuracy,
    plot_confusion,
    plot_cost,
    plot_digits,
    plot_misclassified,
    plot_weights,
)


def path(text):
    """Read a path, also where the shell left a ~ in it, as after --output=~/digits."""
    return Path(os.path.expanduser(text))


def read_arguments():
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Train a network on MNIST; save the model, its history, pictures and a page."
    )
    option = parser.add_argument
    option("--data", type=path, metavar="DIR", help="folder with the MNIST files")
    option("--output", type=path, metavar="DIR", default="output", help="default: output")
    option("--epochs", type=int, metavar="N", default=200, help="default: 200")
    option("--hidden", type=int, metavar="N", default=100, help="hidden units, default: 100")
    option("--batch", type=int, metavar="N", help="default: 100 for MNIST, 20 for the digits")
    option("--seed", type=int, metavar="N", default=1, help="default: 1")
    option("--dtype", choices=["float32", "float64"], default="float32", help="default: float32")
    option("--threads", type=int, metavar="N", help="default: one for each core")
    args = parser.parse_args()
    if args.epochs < 1:
        parser.error(f"--epochs must be at least 1; got {args.epochs}")
    return args


def make_folder(folder):
    """Make the folder for the output, and try now rather than after the training to write there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise OSError(
            f"--output must be a folder that can be written to; got {folder} ({error.strerror})"
        ) from error


def find_mnist(folder):
    """Return a folder with MNIST, or None where there is none and it cannot be downloaded."""
    if folder is not None:
        return folder
    place = os.environ.get("MLPCORE_DATA") or "the cache"
    print(f"Looking for MNIST in {place}; downloading what is missing", flush=True)
    try:
        return fetch_mnist()
    except (ImportError, OSError) as error:
        print(f"MNIST is not available: {str(error).splitlines()[0]}")
        print("Training on the small digits that are part of mlpcore instead")
        return None


def load(folder, dtype):
    """Return images and labels in three parts: to train, to validate and to test."""
    if folder is not None:
        X, y = load_mnist(folder, kind="train", dtype=dtype)
        X_test, y_test = load_mnist(folder, kind="test", dtype=dtype)
        return (X[:55_000], y[:55_000]), (X[55_000:], y[55_000:]), (X_test, y_test)
    X, y = load_digits(dtype=dtype)
    # Shuffled, but always in the same way, so that runs can be compared.
    order = np.random.default_rng(0).permutation(len(X))
    train, valid, test = order[:1_397], order[1_397:1_597], order[1_597:]
    return (X[train], y[train]), (X[valid], y[valid]), (X[test], y[test])


def save_pictures(folder, nn, X_train, y_train, X_test, y_test):
    """Draw the data, the training and the result."""
    plt.switch_backend("agg")  # draws into files, with or without a display
    history, y_pred = nn.eval_, nn.predict(X_test)
    _, one_of_each = np.unique(y_train, return_index=True)

    overview = plt.figure(figsize=(11, 6), layout="constrained")
    left, right = overview.subfigures(1, 2)
    upper, lower = right.subplots(2, 1)
    plot_misclassified(X_test, y_test, y_pred, fig=left)
    plot_accuracy(history["train_acc"], history["valid_acc"], ax=upper)
    plot_cost(history["cost"], ax=lower)

    pictures = {
        "digits": plot_digits(X_train[one_of_each]),
        "sevens": plot_digits(X_train[y_train == 7]),
        "cost": plot_cost(history["cost"]).figure,
        "accuracy": plot_accuracy(history["train_acc"], history["valid_acc"]).figure,
        "misclassified": plot_misclassified(X_test, y_test, y_pred),
        "confusion": plot_confusion(y_test, y_pred).figure,
        "weights": plot_weights(nn.w_h),
        "overview": overview,
    }
    for name, figure in pictures.items():
        figure.savefig(folder / f"{name}.png", dpi=150)
    plt.close("all")
    return [f"{name}.png" for name in pictures]


def main():
    args = read_arguments()
    folder = find_mnist(args.data)
    train, valid, test = load(folder, args.dtype)
    make_folder(args.output)
    sizes = f"{len(train[0]):,} to train, {len(valid[0]):,} to validate, {len(test[0]):,} to test"
    print(f"Images: {sizes}, from {folder or 'mlpcore'}, as {args.dtype}")

    # The textbook's settings; the small digits need smaller batches and larger steps.
    batch, eta = (20, 0.01) if folder is None else (100, 0.0005)
    nn = NeuralNetMLP(
        n_hidden=args.hidden,
        l2=0.01,
        epochs=args.epochs,
        eta=eta,
        minibatch_size=batch if args.batch is None else args.batch,
        seed=args.seed,
        n_threads=args.threads,
    )
    shape = f"{train[0].shape[1]}-{nn.n_hidden}-10"
    print(
        f"Training: {shape} units, {nn.epochs} epochs, batches of {nn.minibatch_size}", flush=True
    )
    stopped = False
    start = time.perf_counter()
    try:
        nn.fit(*train, *valid)
    except KeyboardInterrupt:  # The network keeps what the complete epochs have taught it.
        if not hasattr(nn, "eval_") or not nn.eval_["cost"]:
            raise
        stopped = True
    seconds = time.perf_counter() - start
    done = len(nn.eval_["cost"])
    print(f"{'Stopped after' if stopped else 'Done:'} {done} epochs in {seconds:.1f} s")
    print(f"Validation accuracy: {nn.score(*valid):.2%}")
    print(f"Test accuracy: {nn.score(*test):.2%}")

    nn.save(args.output / "model.npz")
    save_npz(args.output / "history.npz", **nn.eval_)
    nn.to_html(args.output / "draw_a_digit.html")
    pictures = save_pictures(args.output, nn, *train, *test)
    saved = ["model.npz", "history.npz", "draw_a_digit.html", *pictures]
    print(f"Saved in {args.output}: {', '.join(saved)}")
    return 130 if stopped else 0  # 130: what a shell reports after Ctrl-C


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("Stopped before the first epoch was complete; nothing is saved.")
    except (OSError, ValueError, FloatingPointError) as error:  # a bad folder, file or option
        print(f"train_mnist.py: {error}", file=sys.stderr)
        sys.exit(2)
