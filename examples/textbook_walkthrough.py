"""A network that reads handwritten digits, step by step. Read this file from top to bottom.

    python examples/textbook_walkthrough.py               # 200 epochs
    python examples/textbook_walkthrough.py --epochs 20   # a first impression

The steps are those of Raschka & Mirjalili, *Python Machine Learning*, 2nd edition, chapter 12.
All pictures are saved in one folder; look at each when its step is done.
"""

import argparse
import os
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from mlpcore import NeuralNetMLP
from mlpcore.datasets import fetch_mnist, load_digits, load_mnist, load_npz, save_npz
from mlpcore.plotting import plot_accuracy, plot_cost, plot_digits, plot_misclassified

parser = argparse.ArgumentParser(description="The textbook's chapter on MNIST, step by step.")
parser.add_argument("--epochs", type=int, default=200, help="default: 200")
parser.add_argument("--output", default="output", help="folder for the files, default: output")
args = parser.parse_args()
if args.epochs < 1:
    parser.error(f"--epochs must be at least 1; got {args.epochs}")
output = Path(os.path.expanduser(args.output))
try:
    output.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=output).close()  # Can it be written to?
except OSError as error:
    parser.error(
        f"--output must be a folder that can be written to; got {output} ({error.strerror})"
    )
plt.switch_backend("agg")  # Draw into files; leave this line out to use plt.show() instead.

# Step 1: load the data ---------------------------------------------------------------------------
#
# MNIST is 70,000 scans of handwritten digits, 60,000 to learn from and 10,000 to be judged by.
# Each is 28 x 28 pixels, laid out as one row of 784 numbers: the network will not know which
# pixels are neighbours.
#
# The pixels come as bytes from 0 to 255 and are scaled to the range from -1 to 1. The weights
# start as small random numbers around 0, and inputs of about that size and centre keep the units
# in the steep part of their S-shaped activation, where they learn fastest.
#
# If MNIST is neither stored here nor can be downloaded, a smaller set of 8 x 8 digits is used.

try:
    folder = fetch_mnist()
except (ImportError, OSError) as error:
    print(f"0. MNIST is not available: {str(error).splitlines()[0]}")
    X, y = load_digits(dtype=np.float64)
    # Their order is not random: other people wrote the last rows, which are harder.
    # After a shuffle, the rows kept for the test are of the same kind as the others.
    order = np.random.default_rng(0).permutation(len(X))
    X_train, y_train = X[order[:1_597]], y[order[:1_597]]
    X_test, y_test = X[order[1_597:]], y[order[1_597:]]
else:
    X_train, y_train = load_mnist(folder, kind="train", dtype=np.float64)
    X_test, y_test = load_mnist(folder, kind="test", dtype=np.float64)
print(f"1. Loaded {len(X_train):,} images to learn from and {len(X_test):,} to test with,")
print(f"   {X_train.shape[1]} pixels each, from {X_train.min():g} to {X_train.max():g}")

# Step 2: look at the data ------------------------------------------------------------------------
#
# A mistake made while loading, such as labels that belong to other images, costs a glance to find
# now and a day later on. So draw one digit of each class, then many of one class: the second
# picture shows in how many ways people write a 7, and why no simple rule would tell it from a 1.

classes, one_of_each = np.unique(y_train, return_index=True)
plot_digits(X_train[one_of_each], y_train[one_of_each]).savefig(output / "one_of_each.png")
plot_digits(X_train[y_train == 7], n=25).savefig(output / "sevens.png")
print("2. Drawn: one_of_each.png, sevens.png")

# Step 3: save the scaled data, and load it again -------------------------------------------------
#
# Reading and scaling is work that need not be done twice. An .npz file holds several arrays under
# names; compressed it is small here, since most pixels are background. load_npz reads arrays and
# nothing else, so an untrusted file can't run code as a pickle could.

scaled = output / "mnist_scaled.npz"
save_npz(scaled, X_train=X_train, y_train=y_train, X_test=X_test, y_test=y_test)
arrays = load_npz(scaled)
X_train, y_train = arrays["X_train"], arrays["y_train"]
X_test, y_test = arrays["X_test"], arrays["y_test"]
print(f"3. Saved and loaded again: {scaled.name}, {scaled.stat().st_size / 1e6:.1f} MB")

# Step 4: build the network -----------------------------------------------------------------------
#
# 784 inputs, 100 hidden units, one output unit per class. The settings that matter:
#
# - l2 pulls all weights towards 0 a little with each step, so that none grows large to fit a
#   single odd image.
# - eta is the length of a step. The gradient is summed over a minibatch and not averaged, so a
#   good eta is smaller than one would use with averages.
# - minibatch_size is how many images are looked at before a step. One is noisy, all are slow:
#   100 take the path of many small steps, and matrix products make each one fast.
# - shuffle draws a new order in every epoch. In a fixed order, the network would learn the order.
# - seed fixes the starting weights and the shuffles, so that a second run gives the same numbers.
#
# The last rows of the training set are kept aside: the network never learns from these validation
# images, and its accuracy on them tells how it does on digits that it has not seen. The test set
# is for the very end. To pick settings by looking at it is to begin to train on it.

if X_train.shape[1] == 784:
    n_valid, minibatch_size, eta = 5_000, 100, 0.0005
else:  # few and small images: smaller minibatches and longer steps
    n_valid, minibatch_size, eta = 200, 20, 0.01

nn = NeuralNetMLP(
    n_hidden=100,
    l2=0.01,
    epochs=args.epochs,
    eta=eta,
    minibatch_size=minibatch_size,
    shuffle=True,
    seed=1,
)
print(f"4. Built a network: {X_train.shape[1]} inputs, 100 hidden units, {len(classes)} outputs")

# Step 5: train it --------------------------------------------------------------------------------
#
# An epoch is one pass over the training images. For each minibatch the network computes its
# outputs, compares them with the labels, carries the error back to the hidden layer, and moves
# every weight a step against its contribution to the error. After each epoch it notes the cost and
# both accuracies in nn.eval_.

nn.fit(X_train[:-n_valid], y_train[:-n_valid], X_train[-n_valid:], y_train[-n_valid:])
print(f"5. Trained for {args.epochs} epochs")

# Step 6: is the cost still falling? --------------------------------------------------------------
#
# The cost is what the steps make smaller. A curve that is still falling at its end asks for more
# epochs; one that jumps up and down asks for a smaller eta.

plot_cost(nn.eval_["cost"]).figure.savefig(output / "cost.png")
first, last = nn.eval_["cost"][0], nn.eval_["cost"][-1]
print(f"6. Cost: {first:,.0f} after the first epoch, {last:,.0f} after the last")

# Step 7: does it learn, or learn by heart? -------------------------------------------------------
#
# Both accuracies rise together at first. Where training goes on to rise and validation does not,
# the network has begun to memorise its images. The wider that gap, the more is to be gained by
# stopping earlier, by more l2, or by more data.

train_acc, valid_acc = nn.eval_["train_acc"], nn.eval_["valid_acc"]
plot_accuracy(train_acc, valid_acc).figure.savefig(output / "accuracy.png")
print(f"7. Training accuracy: {train_acc[-1]:.2%}")
print(f"   Validation accuracy: {valid_acc[-1]:.2%}")

# Step 8: the test --------------------------------------------------------------------------------
#
# Now, and only once, the images that played no part in anything above. Expect a number near the
# validation accuracy, and somewhat below it where settings were picked by that.

y_pred = nn.predict(X_test)
print(f"8. Test accuracy: {np.mean(y_pred == y_test):.2%}")

# Step 9: look at the mistakes --------------------------------------------------------------------
#
# A percentage does not say what kind of mistakes they are. Some of these digits a person would get
# wrong as well; at others one can guess which stroke misled the network.

plot_misclassified(X_test, y_test, y_pred).savefig(output / "misclassified.png")
print(f"9. Drawn: misclassified.png. All files are in {output}")
