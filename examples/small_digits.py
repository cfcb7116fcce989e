"""What distortions bring where images are few: the 1,797 small digits that are part of mlpcore.

    python examples/small_digits.py             # ten splits, half a minute
    python examples/small_digits.py --splits 3  # a first impression

In each split 400 digits, drawn at random, are kept apart, and two equal networks learn from the
others: one from the images as they are, and one from another random distortion of each image in
every epoch. The distortions are in pixels of these 8 x 8 images. They were chosen on other splits.
"""

import argparse

import numpy as np

from mlpcore import Distortion, NeuralNetMLP, load_digits

KEPT_APART = 400
DISTORTION = Distortion(
    rotation=10, scale=0.1, shear=10, translation=0.5, elastic=0.2, smoothness=2
)


def new_network(augment, epochs, seed):
    rng = np.random.default_rng(seed)
    return NeuralNetMLP(
        n_hidden=300,
        activation="relu",
        # He et al. 2015
        coefs_init=[rng.normal(0, (2 / n) ** 0.5, (n, m)) for n, m in ((64, 300), (300, 10))],
        optimizer="adamw",
        eta=0.002,
        schedule="cosine",
        warmup_epochs=2,
        epochs=epochs,
        minibatch_size=50,
        augment=augment,
        eval_every=epochs,
        seed=seed,
    )


def main():
    parser = argparse.ArgumentParser(description="Distortions of the small digits.")
    option = parser.add_argument
    option("--splits", type=int, default=10, metavar="N", help="default: 10")
    option("--epochs", type=int, default=300, metavar="N", help="default: 300")
    args = parser.parse_args()
    if args.splits < 1 or args.epochs < 3:
        parser.error(f"--splits must be at least 1, --epochs 3; got {args.splits}, {args.epochs}")
    X, y = load_digits()
    for name, augment in (("as they are", None), ("distorted", DISTORTION)):
        wrong = []
        for seed in range(args.splits):
            order = np.random.default_rng(seed).permutation(len(X))
            learned, rest = order[KEPT_APART:], order[:KEPT_APART]
            nn = new_network(augment, args.epochs, seed).fit(X[learned], y[learned])
            wrong.append(int(np.sum(nn.predict(X[rest]) != y[rest])))
        error = sum(wrong) / (KEPT_APART * args.splits)
        print(
            f"{name}: error {error:.2%}; wrong of {KEPT_APART} in each split: {wrong}", flush=True
        )


if __name__ == "__main__":
    main()
