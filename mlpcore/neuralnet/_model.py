"""The textbook's class: parameters, checks, epochs and history. All arithmetic is the engine's."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike, DTypeLike

from mlpcore.distortion import Distortion
from mlpcore.neuralnet._convert import to_sklearn
from mlpcore.neuralnet._estimator import Estimator, explain_unknown
from mlpcore.neuralnet._fit import fit_model
from mlpcore.neuralnet._fitted import Fitted
from mlpcore.neuralnet._persistence import load_model, save_model
from mlpcore.training.interrupts import exit_on_sigterm
from mlpcore.training.plan import History
from mlpcore.training.ranks import Ranks
from mlpcore.training.tree import SHARDS


class NeuralNetMLP(Fitted, Estimator):
    """Multi-layer perceptron classifier: logistic units, stochastic gradient descent, and others.

    The class of the textbook [1]_, chapter 12, with the same parameters, results and history, on a
    compiled engine. With float64 data and the same seed, the history equals the textbook's, epoch
    by epoch. What the book does not have is off by default.

    Parameters
    ----------
    n_hidden : int or sequence of int, default=30
        Units of the hidden layer, or of each hidden layer.
    l2 : float or sequence of float, default=0.0
        Strength of the L2 penalty on the weights, or on each layer's, 0 or more; not on biases.
    epochs : int, default=100
        Passes over the training rows.
    eta : float, default=0.001
        Learning rate, above 0, for gradients that are summed over the minibatch, not averaged.
    shuffle : bool, default=True
        Whether to visit the rows in a new random order in each epoch.
    minibatch_size : int, default=1
        Rows for each update. A shorter rest is left out in that epoch.
    seed : int or None, default=None
        Seed of starting weights, shuffling, dropout and distortions. Two fits with the same seed
        give the same bits.
    dtype : {numpy.float32, numpy.float64} or None, default=None
        The dtype that the network computes in. None is float32 for float32, float16 and 8- or
        16-bit integer data, and float64 for any other.
    n_threads : int or None, default=None
        Threads at most, or fewer where the system starts no more. None is all cores that the
        process may use: fewer under a container's CPU quota, ``OMP_NUM_THREADS`` or
        ``LOKY_MAX_CPU_COUNT``, and one in most workers of joblib. Changes no bit of any result.
    progress : {"auto", True, False}, default="auto"
        "auto" shows a bar on a terminal or in a notebook (with tqdm installed), nothing elsewhere
        or when joblib runs the fit, as in `cross_val_score`. True shows the bar, and one line an
        epoch where there can be none.
    input_path : {"auto", "dense", "sparse"}, default="auto"
        The path through the first layer: "sparse" skips the entries that equal the most frequent
        value, which is much faster where most entries do (81 % of MNIST's pixels). "auto" counts
        them. Both give the same network to rounding.
    input_scale : (float, float) or None, default=None
        ``(scale, offset)`` with which the network reads every feature x as ``x * scale + offset``,
        in `fit` and in prediction: ``(2 / 255, -1)`` reads bytes as numbers from -1 to 1. Bytes
        (uint8) are scaled while they are read; any other data is copied.
    buffer_bytes : int, default=268435456
        Memory for rows of data that are in no memory, such as ``np.memmap`` and datasets of h5py.
        If they are larger than this, they are read in pieces, in a random order that depends on
        `seed` and this number: blocks of consecutive rows, and rows mixed within the buffers.
    eval_every : int, default=1
        Epochs from one evaluation of cost and accuracies to the next; the last epoch has one.
    callback : callable or None, default=None
        Called as ``callback(epoch, history)`` after each epoch, with the epoch from 1 and `eval_`;
        training stops where it returns True.
    early_stopping : {False, True, "valid_acc", "cost"}, default=False
        The metric of `eval_` that must improve: training stops when it has not for `patience`
        evaluations, and the model gets the weights of the best evaluation, also where `epochs` end
        training. True is "valid_acc". Only the epochs that `eval_every` chooses count.
    patience : int, default=10
        Evaluations without progress, for `early_stopping` and for the schedule "adaptive".
    activation : str or sequence of str, default="logistic"
        Activation of the hidden units, or of those of each hidden layer: a name of
        `mlpcore.engine.registry.ACTIVATIONS`, such as "relu" or "tanh".
    optimizer : {"sgd", "momentum", "nesterov", "adam", "adamw"}, default="sgd"
        The rule that updates weights by gradients.
    momentum : float, default=0.9
        For "momentum" and "nesterov": the fraction of the last step that is added to the next one,
        from 0 to below 1.
    beta_1, beta_2 : float, defaults 0.9 and 0.999
        For "adam" and "adamw": decay rates of the moving averages of gradients and of squared
        gradients, from 0 to below 1.
    weight_decay : float or sequence of float, default=0.01
        For "adamw": each step subtracts the fraction ``eta * weight_decay`` of every weight, or of
        those of each layer; 0 or more.
    dropout : float or sequence of float, default=0.0
        The fraction of hidden units, of all layers or of each, that are zero for a row in an epoch
        of training, from 0 to below 1; one number more, in front, is the fraction of the inputs.
    coefs_init, intercepts_init : sequence of ndarray or None, default=None
        Starting weights and biases, an array for each layer in the shapes of `coefs_` and
        `intercepts_`. None is the book's: weights drawn from a normal distribution with standard
        deviation 0.1, and biases of 0.
    schedule : str, default="constant"
        The learning rate from epoch to epoch: "constant" is `eta`; "invscaling" divides it by the
        number of rows seen to the power of `power_t`; "adaptive" divides it by 5 where the metric
        of `early_stopping`, or else the cost, has not improved for `patience` evaluations, and
        stops below 1e-6; "cosine" goes from `eta` down to 0 over all `epochs`; "one_cycle" rises
        to `eta` in the first 30 % of all steps and falls to 4e-6 of it from there.
    power_t : float, default=0.5
        The exponent of "invscaling", 0 or more.
    warmup_epochs : float, default=0.0
        Epochs, or a part of one, in which the learning rate rises from near 0, step by step, to
        what the schedule says [3]_; "cosine" begins after them. Not for "one_cycle".
    clip_norm : float or None, default=None
        Largest 2-norm of a minibatch's gradient, with its penalty; a larger one is scaled down.
    max_norm : float or None, default=None
        Largest 2-norm of the weights that lead into a unit, after each step.
    weight_average : float, int or None, default=None
        Averages the weights: over steps, exponentially and with a decay below 1, such as 0.999
        [4]_; or evenly over the ends of the last epochs, for a whole number of them from 2 on [5]_.
        Training goes on with the weights themselves; evaluation, early stopping and the model have
        the average, from its first epoch on.
    label_smoothing : float, default=0.0
        The fraction s of the targets, from 0 to below 1, that training spreads evenly over the K
        classes: 1 - s + s / K for a row's own class and s / K for the others [2]_. The cost has
        these targets as well.
    class_weight : dict, "balanced" or None, default=None
        Weights of the classes by their labels, which multiply `sample_weight`. "balanced" lets all
        classes weigh the same, by the weights of their rows.
    augment : Distortion or None, default=None
        How images are varied in training: each row in another way in each epoch. Costs, accuracies
        and predictions are those of the rows as they are.
    image_shape : (int, int) or None, default=None
        Height and width of the images, for `augment`. None is a square.

    Attributes
    ----------
    eval_ : dict of list of float
        One number for each epoch (or every `eval_every` epochs) under each of ``"cost"`` (the
        summed cross-entropy over the training rows plus ``l2`` times the sum of squared weights),
        ``"train_acc"`` and ``"valid_acc"`` (fractions of correct predictions; empty without
        validation data).
    classes_ : ndarray, shape (n_classes,)
        The class labels, sorted; output units have the same order.
    coefs_ : tuple of ndarray, shapes (n_in, n_out)
        Weights of each layer, in the dtype computed in; read-only.
    intercepts_ : tuple of ndarray, shapes (n_out,)
        Biases of each layer; read-only.
    w_h, b_h, w_out, b_out : ndarray
        Those of the first layer and of the last, under the textbook's names.
    n_features_in_ : int
        Columns of the data in `fit`.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns, where the data in `fit` were a frame with names of text. Prediction
        compares them.
    n_iter_ : int
        Epochs that training has finished.
    n_threads_ : int
        The number of threads that has worked longest in `fit`, which goes on with the fastest one.
        It changes no bit, and is not saved.
    input_path_ : {"dense", "sparse"}
        The path through the first layer in training and prediction.

    Notes
    -----
    An update of "sgd" is ``w -= eta * (gradient + l2 * w)``, that of a penalty
    ``l2 / 2 * sum(w**2)``, while the cost reported has ``l2 * sum(w**2)``: the book's convention,
    kept. Unlike the book's, the cost is computed from the pre-activations (the book's net inputs),
    so that it is finite, and `fit` starts from the seed each time.

    The class follows scikit-learn's rules for estimators without importing it, and works inside its
    ``Pipeline``, ``GridSearchCV`` and ``cross_val_score``.

    References
    ----------
    .. [1] Raschka & Mirjalili, "Python Machine Learning", 2nd ed., chapter 12, Packt, 2017.
    .. [2] Szegedy et al., "Rethinking the Inception architecture for computer vision", CVPR 2016.
    .. [3] Goyal et al., "Accurate, large minibatch SGD: training ImageNet in 1 hour", 2017.
    .. [4] Polyak & Juditsky, "Acceleration of stochastic approximation by averaging", 1992. Over
       the first steps it is their mean, as in Tarvainen & Valpola, NeurIPS 2017.
    .. [5] Izmailov et al., "Averaging weights leads to wider optima and better generalization",
       UAI 2018.

    Examples
    --------
    >>> from mlpcore import NeuralNetMLP, load_digits
    >>> X, y = load_digits()
    >>> nn = NeuralNetMLP(n_hidden=50, epochs=30, eta=0.005, minibatch_size=20, seed=1)
    >>> nn.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]) > 0.9
    True
    """

    # `fit` sets these, and those of `Fitted`.
    eval_: History
    input_path_: str
    n_threads_: int
    n_iter_: int

    @explain_unknown
    def __init__(
        self,
        n_hidden: int | Sequence[int] = 30,
        l2: float | Sequence[float] = 0.0,
        epochs: int = 100,
        eta: float = 0.001,
        shuffle: bool = True,
        minibatch_size: int = 1,
        seed: int | None = None,
        *,
        dtype: DTypeLike | None = None,
        n_threads: int | None = None,
        progress: bool | str = "auto",
        input_path: str = "auto",
        input_scale: tuple[float, float] | None = None,
        buffer_bytes: int = 1 << 28,
        eval_every: int = 1,
        callback: Callable[[int, History], Any] | None = None,
        early_stopping: bool | str = False,
        patience: int = 10,
        activation: str | Sequence[str] = "logistic",
        optimizer: str = "sgd",
        momentum: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        weight_decay: float | Sequence[float] = 0.01,
        dropout: float | Sequence[float] = 0.0,
        coefs_init: Sequence[ArrayLike] | None = None,
        intercepts_init: Sequence[ArrayLike] | None = None,
        schedule: str = "constant",
        power_t: float = 0.5,
        warmup_epochs: float = 0.0,
        clip_norm: float | None = None,
        max_norm: float | None = None,
        weight_average: float | int | None = None,
        label_smoothing: float = 0.0,
        class_weight: Mapping[Any, float] | str | None = None,
        augment: Distortion | None = None,
        image_shape: tuple[int, int] | None = None,
    ) -> None:
        self.n_hidden, self.l2, self.epochs, self.eta = n_hidden, l2, epochs, eta
        self.shuffle, self.minibatch_size, self.seed = shuffle, minibatch_size, seed
        self.dtype, self.n_threads, self.progress = dtype, n_threads, progress
        self.input_path, self.input_scale = input_path, input_scale
        self.buffer_bytes = buffer_bytes
        self.eval_every, self.callback = eval_every, callback
        self.early_stopping, self.patience = early_stopping, patience
        self.activation, self.optimizer, self.momentum = activation, optimizer, momentum
        self.beta_1, self.beta_2, self.weight_decay = beta_1, beta_2, weight_decay
        self.dropout = dropout
        self.coefs_init, self.intercepts_init = coefs_init, intercepts_init
        self.schedule, self.power_t = schedule, power_t
        self.clip_norm, self.max_norm, self.class_weight = clip_norm, max_norm, class_weight
        self.warmup_epochs, self.label_smoothing = warmup_epochs, label_smoothing
        self.weight_average = weight_average
        self.augment, self.image_shape = augment, image_shape

    def fit(
        self,
        X_train: ArrayLike,
        y_train: ArrayLike,
        X_valid: ArrayLike | None = None,
        y_valid: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 1,
        comm: Any = None,
        shards: int | None = None,
    ) -> NeuralNetMLP:
        """Learn from labelled rows, from the beginning or from a checkpoint.

        Parameters
        ----------
        X_train : array_like or scipy.sparse matrix, shape (n_samples, n_features)
            Finite numbers; features scaled to about [-1, 1] learn best. Rows of float32, float64 or
            uint8 are read where they are, without a copy.
        y_train : array_like, shape (n_samples,)
            A class label for each row: numbers, text or other hashable objects, with two classes or
            more.
        X_valid, y_valid : array_like, optional
            Validation rows and labels; only the accuracy on them is computed.
        sample_weight : array_like, shape (n_samples,), optional
            A weight for each training row, in the gradient and in the cost: a row of weight 2
            counts as two rows. Weights may be negative, but their sum must be above 0.
        checkpoint : str or PathLike, optional
            A file that stores the run: written before the first epoch and then after every
            `checkpoint_every`, after the last, and when training is interrupted. Where it exists,
            training goes on from it, and ends with the bits, history included, of a run that was
            never interrupted (on the same kind of processor); with larger `epochs`, of a run that
            was that long from the beginning. The checkpoint before it stays under the same name
            with ``.previous`` at the end.
        checkpoint_every : int, default=1
            Epochs from one checkpoint to the next.
        comm : communicator, optional
            The processes (ranks) that fit one model together, such as mpi4py's
            ``MPI.COMM_WORLD``. Each calls `fit` with its rows, and all get the same model; see
            `rank_rows`.
        shards : int, optional
            A power of two, with `comm` 16 unless given: the rows of all ranks are cut into so many
            parts, and the gradient of a minibatch is the sum of theirs, by a fixed tree. The model
            then has the same bits for any number of ranks up to that number, and for one process
            without `comm`; with other numbers of shards, or none, it has other ones.

        Returns
        -------
        self : NeuralNetMLP

        Raises
        ------
        TypeError, ValueError
            If a parameter or an array is not as described; if the checkpoint is damaged, or of
            other data or parameters. Only `epochs`, `n_threads`, `progress` and `callback` may
            differ. The model stays as it was.
        OSError
            If the checkpoint cannot be read or written, or another run is using it.
        FloatingPointError
            If the cost is no longer finite.
        KeyboardInterrupt, SystemExit
            On Ctrl-C, and on SIGTERM in the main thread of a program that does not handle it
            itself, within a fraction of a second. After these as after any other exception in
            training, weights and history are those of the last finished epoch.
        """
        data = X_train, y_train, X_valid, y_valid, sample_weight
        if comm is None and shards is None:
            return fit_model(self, data, checkpoint, checkpoint_every)
        with exit_on_sigterm(), Ranks(comm, SHARDS if shards is None else shards) as ranks:
            return fit_model(self, data, checkpoint, checkpoint_every, ranks)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted model in one ``.npz`` file, which holds arrays and text and no pickle.

        Parameters
        ----------
        path : str or PathLike
            The file appears under exactly this name, when it is complete.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If class labels or parameters are objects that only a pickle could hold, or a parameter
            is not one that `fit` accepts.
        OSError
            If the file cannot be written.
        """
        self._fitted()
        save_model(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NeuralNetMLP:
        """Load a model that `save` wrote. Nothing in the file is executed.

        Parameters
        ----------
        path : str or PathLike

        Returns
        -------
        model : NeuralNetMLP
            Fitted, with the parameters, weights, classes and history that were saved.

        Raises
        ------
        ValueError
            If the file is damaged, holds no model, or is of a newer format than this version of
            mlpcore reads.
        OSError
            If the file cannot be read.
        """
        return load_model(cls, path)

    def to_sklearn(self) -> Any:
        """scikit-learn's own classifier with the same weights.

        It predicts the same classes. Its output units are logistic, as here, while its
        `predict_proba` does not divide their activations by their sum: a row's numbers do not add
        up to 1. Parameters that scikit-learn does not have are left out, and `input_scale` goes
        into the weights.

        Returns
        -------
        estimator : sklearn.neural_network.MLPClassifier
            Fitted; it shares no memory with this model.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ValueError
            If scikit-learn lacks an activation, has no one for each layer, or cannot sort the
            classes.
        """
        return to_sklearn(self, self._fitted())
