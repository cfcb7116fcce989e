"""The parameters of both estimators: their signatures, and the text that both docstrings share.

A new hyperparameter needs a line in each signature, and its text here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import ArrayLike

from mlpcore.distortion import Distortion

PARAMETERS = """hidden_layer_sizes : array-like of int, default=(100,)
        Units of each hidden layer.
    activation : str or sequence of str, default="relu"
        Activation of the hidden units: "identity", "logistic", "tanh" or "relu" as in
        scikit-learn, or any other of `mlpcore.engine.registry.ACTIVATIONS`; a sequence has one for
        each hidden layer.
    solver : {"adam", "sgd", "lbfgs", "adamw"}, default="adam"
        "adamw" is Adam with decoupled `weight_decay`.
    alpha : float or sequence of float, default=0.0001
        Strength of the L2 penalty, which is divided by the number of rows; a sequence has one for
        the weights of each layer.
    batch_size : int or "auto", default="auto"
        Rows of a minibatch; "auto" is ``min(200, n_samples)``.
    learning_rate : str, default="constant"
        "constant", "invscaling" or "adaptive", which only "sgd" heeds, as in scikit-learn; or for
        any stochastic solver "cosine", which goes from `learning_rate_init` down to 0 over
        `max_iter` epochs, or "one_cycle", which rises to `learning_rate_init` in the first 30 % of
        all minibatches and falls to 1e-4 of where it began from there. `fit` with one of these two
        is planned to take `max_iter` epochs and does not warn that it has.
    learning_rate_init : float, default=0.001
        The learning rate, or with a schedule the largest one.
    power_t : float, default=0.5
        Exponent of "invscaling".
    max_iter : int, default=200
        Epochs, or iterations of L-BFGS, at most.
    shuffle : bool, default=True
        Whether to visit the rows in a new order in each epoch.
    random_state : int, RandomState instance or None, default=None
        Generator of starting weights, held-out rows, order, dropout and distortions.
    tol : float, default=1e-4
        What loss or score must improve by in `n_iter_no_change` epochs.
    verbose : bool, int or "bar", default=False
        Whether to print a line for each epoch; from 2 on also the number of threads that worked;
        "bar" shows a progress bar.
    warm_start : bool, default=False
        Whether `fit` goes on from the present weights.
    momentum : float, default=0.9
        For "sgd": the fraction of the last step that is added to the next one, from 0 to 1.
    nesterovs_momentum : bool, default=True
        For "sgd": whether the momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to stop by the score on held-out rows, and keep the weights with the best one.
    validation_fraction : float, default=0.1
        Fraction of the rows to hold out.
    beta_1, beta_2 : float, defaults 0.9 and 0.999
        For "adam" and "adamw": decay rates of the moving averages of gradients and of squared
        gradients, from 0 to below 1.
    epsilon : float, default=1e-8
        For "adam" and "adamw": added to the denominator.
    n_iter_no_change : int, default=10
        Epochs without progress before training stops.
    max_fun : int, default=15000
        Evaluations of the loss by L-BFGS at most."""

EXTENSIONS = """coefs_init, intercepts_init : list of ndarray or None, default=None
        Custom starting weights and biases, in the shapes of `coefs_` and `intercepts_`. None draws
        them.
    dropout : float or sequence of float, default=0.0
        Fraction of units that are zero in each step of training: one for all hidden layers, or one
        for each of them, or before these one for the features.
    l1 : float, default=0.0
        Strength of an L1 penalty on the weights, divided by the number of rows as `alpha` is.
    weight_decay : float or sequence of float, default=0.01
        For "adamw": weights shrink by this times the learning rate in each step, those of each
        layer by its own where it is a sequence. Usually with ``alpha=0``.
    clip_norm : float or None, default=None
        Largest norm of the whole gradient; a larger one is scaled down to it.
    max_norm : float or None, default=None
        Largest norm of the weights that lead into a unit.
    warmup_epochs : float, default=0.0
        Epochs, or a part of one, in which the learning rate rises from near 0, step by step, to
        what `learning_rate` says (Goyal et al. 2017); "cosine" begins after them. Not for
        "one_cycle".
    weight_average : float, int or None, default=None
        Averages the weights: over minibatches, exponentially and with a decay below 1, such as
        0.999 (Polyak & Juditsky 1992); or evenly over the ends of the last epochs of `max_iter`,
        for a whole number of them from 2 on (Izmailov et al. 2018). Training goes on with the
        weights themselves, and so does `partial_fit`; scores, validation losses and the model have
        the average, from its first epoch on. `loss_curve_` is that of the weights themselves."""

N_THREADS = """n_threads : int or None, default=None
        Threads at most; how many of them work is measured while they work. None is all cores, or
        fewer under a container's CPU quota, ``OMP_NUM_THREADS`` or ``LOKY_MAX_CPU_COUNT``, or where
        joblib runs several fits at once. Changes no bit of any result.
    buffer_bytes : int, default=268435456
        Memory for rows of data that are in no memory, such as ``np.memmap`` and datasets of h5py.
        If they are larger than this, they are read in pieces, in a random order that depends on
        `random_state` and this number: blocks of consecutive rows, and rows mixed within the
        buffers. Then early stopping needs X_val, and "lbfgs" is not supported."""

ATTRIBUTES = """coefs_, intercepts_ : list of ndarray
        Weights (n_in, n_out) and biases (n_out,) of each layer. Views of the network's memory: a
        write to them changes the network, and so do other arrays that are put into the lists.
    loss_, best_loss_ : float
        Loss of the last epoch, and the lowest; the latter is None with early stopping.
    loss_curve_ : list of float
        Loss of each epoch: the mean over its minibatches, penalties included.
    validation_loss_curve_ : list of float or None
        Loss on the validation rows after each epoch, without penalties; None where there are none.
    validation_scores_, best_validation_score_ : list of float and float, or None
        Scores that early stopping went by, in all fits of a warm start, and the best of the last
        fit, whose weights are kept.
    n_iter_, t_ : int
        Epochs, and rows seen in them.
    n_threads_ : int
        The number of threads that has worked longest in `fit`. Not pickled.
    n_features_in_, n_outputs_, n_layers_ : int
        Columns of X, output units, and layers with the input layer.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where X in `fit` has them.
    out_activation_ : str
        Activation of the output units."""


class ClassifierSignature:
    """The constructor of MLPClassifier."""

    _store: Any

    def __init__(
        self,
        hidden_layer_sizes: ArrayLike = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float | Sequence[float] = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        out_activation: str | None = None,
        coefs_init: Any = None,
        intercepts_init: Any = None,
        dropout: Any = 0.0,
        l1: float = 0.0,
        weight_decay: float | Sequence[float] = 0.01,
        clip_norm: float | None = None,
        max_norm: float | None = None,
        warmup_epochs: float = 0.0,
        weight_average: float | int | None = None,
        scoring: Any = None,
        class_weight: Any = None,
        label_smoothing: float = 0.0,
        augment: Distortion | None = None,
        image_shape: Any = None,
        n_threads: int | None = None,
        buffer_bytes: int = 1 << 28,
    ) -> None:
        self._store(locals())


class RegressorSignature:
    """The constructor of MLPRegressor."""

    _store: Any

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: ArrayLike = (100,),
        activation: Any = "relu",
        *,
        solver: str = "adam",
        alpha: float | Sequence[float] = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        out_activation: str | None = None,
        coefs_init: Any = None,
        intercepts_init: Any = None,
        dropout: Any = 0.0,
        l1: float = 0.0,
        weight_decay: float | Sequence[float] = 0.01,
        clip_norm: float | None = None,
        max_norm: float | None = None,
        warmup_epochs: float = 0.0,
        weight_average: float | int | None = None,
        scoring: Any = None,
        delta: float = 1.0,
        quantile: float = 0.5,
        n_threads: int | None = None,
        buffer_bytes: int = 1 << 28,
    ) -> None:
        self._store(locals())
