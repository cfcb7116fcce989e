"""The textbook's class: parameters, checks, epochs and history. All arithmetic is the engine's."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from mlpcore._checkpoint import Checkpoint, fingerprint
from mlpcore._estimator import Estimator
from mlpcore._fitted import Fitted
from mlpcore._parameters import check_parameters, check_threads, decisive
from mlpcore._persistence import load_model, save_model
from mlpcore._progress import Progress
from mlpcore._signals import exit_on_sigterm
from mlpcore._training import History, Run
from mlpcore._validation import (
    check_dtype,
    check_finite,
    check_int,
    check_labels,
    check_rows,
    encode_labels,
    lookup_labels,
)
from mlpcore.engine.activations import activation
from mlpcore.engine.inputs import Input
from mlpcore.engine.network import Network
from mlpcore.engine.trainer import Trainer

# Settings that the trainer knows by the same name.
_RULE = ("optimizer", "l2", "momentum", "beta_1", "beta_2", "weight_decay", "dropout")

_AS_IT_IS = (1.0, 0.0)  # scale and offset


class NeuralNetMLP(Fitted, Estimator):
    """Multi-layer perceptron classifier: logistic units, stochastic gradient descent, and others.

    The class of the textbook [1]_, chapter 12, with the same parameters, results and history, on a
    compiled engine. With float64 data and the same seed, the history equals the textbook's, epoch
    by epoch. What the book does not have is off by default.

    Parameters
    ----------
    n_hidden : int or sequence of int, default=30
        Units of the hidden layer, or of each hidden layer.
    l2 : float, default=0.0
        Strength of the L2 penalty on the weights, 0 or more; biases have none.
    epochs : int, default=100
        Passes over the training rows.
    eta : float, default=0.001
        Learning rate, above 0, for gradients that are summed over the minibatch, not averaged.
    shuffle : bool, default=True
        Whether to visit the rows in a new random order in each epoch.
    minibatch_size : int, default=1
        Rows for each update. What an epoch leaves over is left out in that epoch.
    seed : int or None, default=None
        Of starting weights and shuffling. Two fits with the same seed give the same bits.
    dtype : {numpy.float32, numpy.float64} or None, default=None
        What the network computes in. None is float32 for float32, float16 and 8- or 16-bit integer
        data, and float64 for any other.
    n_threads : int or None, default=None
        Threads at most, or fewer where the system starts no more. None is all cores that the
        process may use: fewer under a container's CPU quota, ``OMP_NUM_THREADS`` or
        ``LOKY_MAX_CPU_COUNT``, and one in most workers of joblib. Changes no bit of any result.
    progress : {"auto", True, False}, default="auto"
        "auto" shows a bar on a terminal or in a notebook (with tqdm installed), nothing elsewhere.
        True shows the bar, and one line an epoch where there can be none.
    input_path : {"auto", "dense", "sparse"}, default="auto"
        The way through the first layer: "sparse" skips the entries that equal the most frequent
        value, which is much faster where that is most of them (of MNIST's pixels 81 %). "auto"
        counts. Both give the same network to rounding.
    input_scale : (float, float) or None, default=None
        ``(scale, offset)`` with which the network reads every feature x as ``x * scale + offset``,
        in `fit` and in prediction: ``(2 / 255, -1)`` reads bytes as numbers from -1 to 1. Bytes
        (uint8) are scaled while they are read; any other data is copied.
    eval_every : int, default=1
        Epochs from one evaluation of cost and accuracies to the next; the last epoch has one.
    callback : callable or None, default=None
        Called as ``callback(epoch, history)`` after each epoch, with the epoch from 1 and `eval_`;
        training stops where it returns True.
    early_stopping : {False, True, "valid_acc", "cost"}, default=False
        The figure of `eval_` that must improve: training stops when it has not for `patience`
        evaluations, and the model gets the weights of the best of them, also where `epochs` end
        training. True is "valid_acc". Of the epochs, those count that `eval_every` chooses.
    patience : int, default=10
        See there.
    activation : str or sequence of str, default="logistic"
        Of the hidden units, or of those of each hidden layer: a name of
        `mlpcore.engine.activations.ACTIVATIONS`, such as "relu" or "tanh".
    optimizer : {"sgd", "momentum", "nesterov", "adam", "adamw"}, default="sgd"
        How weights follow from gradients.
    momentum : float, default=0.9
        Of "momentum" and "nesterov": the share of the last step that the next one keeps, from 0 to
        below 1.
    beta_1, beta_2 : float, defaults 0.9 and 0.999
        Of "adam" and "adamw": how slowly their means of gradients and of squared gradients forget,
        from 0 to below 1.
    weight_decay : float, default=0.01
        Of "adamw": each step takes ``eta * weight_decay`` of every weight, 0 or more.
    dropout : float or sequence of float, default=0.0
        The share of hidden units, of all layers or of each, that a row does without in an epoch of
        training, from 0 to below 1; one number more, in front, is that of the inputs.

    Attributes
    ----------
    eval_ : dict of list of float
        One number an epoch (or every `eval_every` epochs) under each of ``"cost"`` (the summed
        cross-entropy over the training rows plus ``l2`` times the sum of squared weights),
        ``"train_acc"`` and ``"valid_acc"`` (shares of right predictions, 0 to 1; empty without
        validation data).
    classes_ : ndarray, shape (n_classes,)
        The class labels, sorted; output units have the same order.
    coefs_ : tuple of ndarray, shapes (n_in, n_out)
        Weights of each layer, in the dtype computed in; read-only.
    intercepts_ : tuple of ndarray, shapes (n_out,)
        Biases of each layer; read-only.
    w_h, b_h, w_out, b_out : ndarray
        The first of them and the last, under the textbook's names.
    n_features_in_ : int
        Columns of the data in `fit`.
    n_iter_ : int
        Epochs that training has finished.
    input_path_ : {"dense", "sparse"}
        The way through the first layer that training took, and that prediction takes.

    Notes
    -----
    An update of "sgd" is ``w -= eta * (gradient + l2 * w)``, that of a penalty
    ``l2 / 2 * sum(w**2)``, while the cost reported has ``l2 * sum(w**2)``: the book's convention,
    kept. Unlike the book's, the cost is computed from net inputs, so that it is finite, and `fit`
    starts from the seed each time.

    The class follows scikit-learn's rules for estimators without importing it, and works inside its
    ``Pipeline``, ``GridSearchCV`` and ``cross_val_score``.

    References
    ----------
    .. [1] Raschka & Mirjalili, "Python Machine Learning", 2nd ed., chapter 12, Packt, 2017.

    Examples
    --------
    >>> from mlpcore import NeuralNetMLP, load_digits
    >>> X, y = load_digits()
    >>> nn = NeuralNetMLP(n_hidden=50, epochs=30, eta=0.005, minibatch_size=20, seed=1)
    >>> nn.fit(X[:1500], y[:1500]).score(X[1500:], y[1500:]) > 0.9
    True
    """

    # What `fit` learns.
    classes_: NDArray[Any]
    eval_: History
    input_path_: str
    n_features_in_: int
    n_iter_: int
    _scale: tuple[float, float]

    def __init__(
        self,
        n_hidden: int | Sequence[int] = 30,
        l2: float = 0.0,
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
        eval_every: int = 1,
        callback: Callable[[int, History], Any] | None = None,
        early_stopping: bool | str = False,
        patience: int = 10,
        activation: str | Sequence[str] = "logistic",
        optimizer: str = "sgd",
        momentum: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        weight_decay: float = 0.01,
        dropout: float | Sequence[float] = 0.0,
    ) -> None:
        self.n_hidden = n_hidden
        self.l2 = l2
        self.epochs = epochs
        self.eta = eta
        self.shuffle = shuffle
        self.minibatch_size = minibatch_size
        self.seed = seed
        self.dtype = dtype
        self.n_threads = n_threads
        self.progress = progress
        self.input_path = input_path
        self.input_scale = input_scale
        self.eval_every = eval_every
        self.callback = callback
        self.early_stopping = early_stopping
        self.patience = patience
        self.activation = activation
        self.optimizer = optimizer
        self.momentum = momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.weight_decay = weight_decay
        self.dropout = dropout

    def fit(
        self,
        X_train: ArrayLike,
        y_train: ArrayLike,
        X_valid: ArrayLike | None = None,
        y_valid: ArrayLike | None = None,
        *,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 1,
    ) -> NeuralNetMLP:
        """Learn from labelled rows, from the beginning or from where a checkpoint stands.

        Parameters
        ----------
        X_train : array_like or scipy.sparse matrix, shape (n_samples, n_features)
            Finite numbers; features scaled to about [-1, 1] learn best. Rows of float32, float64 or
            uint8 are read where they are, without a copy.
        y_train : array_like, shape (n_samples,)
            A class label for each row: numbers, text or other hashable things, of two classes or
            more.
        X_valid, y_valid : array_like, optional
            The same for validation; only the accuracy on them is computed.
        checkpoint : str or PathLike, optional
            A file that keeps the run: written before the first epoch and then after every
            `checkpoint_every`, after the last, and when training is interrupted. Where it exists,
            training goes on from it, and ends with the bits, history included, of a run that was
            never interrupted (on the same kind of processor); with larger `epochs`, of a run that
            was that long from the beginning. The checkpoint before it stays under the same name
            with ``.previous`` at the end.
        checkpoint_every : int, default=1
            Epochs from one checkpoint to the next.

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
        settings = check_parameters(self)
        checkpoint_every = check_int(checkpoint_every, "checkpoint_every", low=1)
        dtype = check_dtype(self.dtype)
        scale = settings["input_scale"]
        rows = check_rows(X_train, "X_train", dtype=dtype, finite=False)
        X = _scaled(rows, scale)
        n_samples, n_features = X.shape
        if dtype is None:
            dtype = np.dtype(np.float64 if X.dtype == np.float64 else np.float32)
        classes, labels = encode_labels(check_labels(y_train, "y_train", n_samples, "X_train"))
        if settings["minibatch_size"] > n_samples:
            raise ValueError(
                f"minibatch_size must be at most the number of rows, {n_samples}; got "
                f"{self.minibatch_size}. Lower it, or no update would take place."
            )
        valid_rows, valid_labels = self._check_valid(X_valid, y_valid, classes, n_features, dtype)
        valid = None if valid_rows is None else _scaled(valid_rows, scale)
        if settings["early_stopping"] == "valid_acc" and valid is None:
            raise ValueError(
                "early_stopping needs X_valid and y_valid; got none. Give them, or use "
                'early_stopping="cost".'
            )

        network = Network(
            (n_features, *settings["n_hidden"], len(classes)),
            activation=settings["activation"],
            dtype=dtype.name,
        )
        rng = np.random.RandomState(settings["seed"])
        for weights in network.coefs:
            weights[:] = rng.normal(0.0, 0.1, weights.shape)
        drops_inputs = settings["dropout"][:1] > (0,)
        # Dropped inputs are 0, which is not the background, as a rule.
        path = "dense" if drops_inputs and self.input_path == "auto" else self.input_path
        train_input = _input(X, dtype, scale, path, settings["n_threads"])
        _check_finite(train_input, rows, "X_train", dtype)
        if drops_inputs and train_input.background:
            raise ValueError(
                "dropout of inputs on the sparse path is for data that are mostly 0; these are "
                f'mostly {train_input.background:g}. Use input_path="dense".'
            )
        valid_input = None
        if valid is not None:
            valid_input = _input(valid, dtype, scale, train_input.path, settings["n_threads"])
            _check_finite(valid_input, valid_rows, "X_valid", dtype)
        seed = settings["seed"]
        trainer = Trainer(
            network,
            train_input,
            labels,
            valid=valid_input,
            valid_targets=valid_labels,
            learning_rate=settings["eta"],
            **{name: settings[name] for name in _RULE},
            seed=int(rng.randint(2**32, dtype=np.uint64)) if seed is None else seed,
            minibatch_size=settings["minibatch_size"],
            n_threads=settings["n_threads"],
        )
        run = Run(trainer, rng, n_samples, 0 if valid is None else valid.shape[0], settings)
        with (
            exit_on_sigterm(),
            contextlib.nullcontext() if checkpoint is None else Checkpoint(checkpoint) as file,
        ):
            if file is not None:
                identity = {
                    **decisive(settings),
                    "dtype": dtype.name,
                    "input_path": train_input.path,
                    "X_train": fingerprint(X),
                    "y_train": fingerprint(labels),
                    "classes": fingerprint(classes),
                    "X_valid": fingerprint(valid),
                    "y_valid": fingerprint(valid_labels),
                }
                run.attach(file, identity)
            # At once, so that Ctrl-C leaves either the old model or this one.
            self.__dict__.update(
                _network=network,
                _activation=settings["activation"],
                classes_=classes,
                n_features_in_=n_features,
                input_path_=train_input.path,
                _scale=scale,
                eval_=run.history,
                n_iter_=run.epoch,
            )
            try:
                self._train(run, trainer, settings["epochs"], checkpoint_every)
            except BaseException as error:
                run.give_up(error)
                self.n_iter_ = run.epoch
                raise
            finally:
                network.background = train_input.background
        return self

    def _train(self, run: Run, trainer: Trainer, epochs: int, checkpoint_every: int) -> None:
        with trainer, Progress(self.progress, epochs, run.epoch) as progress:
            for epoch, figures in run.epochs():
                self.n_iter_ = epoch
                progress.update(epoch, figures)
                if epoch % checkpoint_every == 0:
                    run.save()
                if self.callback is not None and self.callback(epoch, run.history):
                    break
            run.save()
            run.settle()

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the class of each row: that of the output unit with the largest net input.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)

        Returns
        -------
        labels : ndarray, shape (n_samples,)
            In the dtype of `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `X` is not as in `fit`.
        """
        network = self._fitted()
        if type(X) is np.ndarray and self._scale == _AS_IT_IS:
            # One row of the network's own dtype needs a microsecond or two; the long way, which
            # anything else takes, needs a hundred.
            index = network.classify(X)
            if index >= 0:
                return self.classes_[index : index + 1].copy()
        return cast("NDArray[Any]", self.classes_[self._forward(X, Network.classes)])

    def predict_proba(self, X: ArrayLike) -> NDArray[Any]:
        """Estimate the probability of each class.

        The logistic output units answer for their own class each; as in one-vs-rest classification,
        their activations are divided by their sum.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)

        Returns
        -------
        probabilities : ndarray, shape (n_samples, n_classes)
            Rows sum to 1; columns are in the order of `classes_`.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `X` is not as in `fit`.
        """
        z = self._forward(X, Network.net_inputs)
        # In float64 the smallest activation, at the clipped net input -250, is far from zero.
        a = activation("logistic", z.astype(np.float64))
        return cast("NDArray[Any]", (a / a.sum(axis=1, keepdims=True)).astype(z.dtype))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Share of rows that are predicted right.

        Parameters
        ----------
        X : array_like, shape (n_samples, n_features)
        y : array_like, shape (n_samples,)

        Returns
        -------
        accuracy : float
            From 0 to 1.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If `X` is not as in `fit`, or `y` has another length.
        """
        predicted = self.predict(X)
        labels = check_labels(y, "y", len(predicted), "X")
        return float(np.mean(predicted == labels))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the fitted model in one ``.npz`` file, which holds arrays and text and no pickle.

        Parameters
        ----------
        path : str or PathLike
            Written under exactly this name, and only when it is complete.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError, ValueError
            If class labels or parameters are things that only a pickle could hold, or a parameter
            is not one that `fit` would take.
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
            If the file is damaged, holds something else, or is of a newer format than this version
            of mlpcore reads.
        OSError
            If the file cannot be read.
        """
        return load_model(cls, path)

    def _forward(
        self, X: ArrayLike, method: Callable[[Network, Input, int], NDArray[Any]]
    ) -> NDArray[Any]:
        network = self._fitted()
        n_features = self.n_features_in_
        rows = check_rows(X, "X", dtype=network.dtype, n_features=n_features, finite=False)
        source = _input(_scaled(rows, self._scale), network.dtype, self._scale, "dense")
        try:
            return method(network, source, check_threads(self.n_threads))
        except ValueError:
            check_finite(rows, "X", network.dtype)  # says where
            raise

    def _check_valid(
        self,
        X: ArrayLike | None,
        y: ArrayLike | None,
        classes: NDArray[Any],
        n_features: int,
        dtype: np.dtype[Any],
    ) -> tuple[Any, NDArray[np.intc] | None]:
        if (X is None) != (y is None):
            raise ValueError("X_valid and y_valid belong together; got only one of them.")
        if X is None or y is None:
            return None, None
        rows = check_rows(X, "X_valid", dtype=dtype, n_features=n_features, finite=False)
        labels = check_labels(y, "y_valid", rows.shape[0], "X_valid")
        return rows, lookup_labels(labels, classes, "y_valid")


def _scaled(rows: Any, scale: tuple[float, float]) -> Any:
    """Rows times scale plus offset, where the engine does not do that itself while reading."""
    if scale == _AS_IT_IS or rows.dtype == np.uint8:
        return rows
    if hasattr(rows, "indptr"):
        raise ValueError("input_scale is for dense data; scale the sparse matrix before fit.")
    return rows * rows.dtype.type(scale[0]) + rows.dtype.type(scale[1])


def _input(
    rows: Any, dtype: np.dtype[Any], scale: tuple[float, float], path: str, n_threads: int = 1
) -> Input:
    return Input(rows, dtype.name, scale=scale[0], offset=scale[1], path=path, n_threads=n_threads)


def _check_finite(source: Input, rows: Any, name: str, dtype: np.dtype[Any]) -> None:
    """Raise for rows that are not finite, unless it was seen on their way in that they are."""
    if isinstance(rows, np.ndarray) and not source.seen_finite:
        check_finite(rows, name, dtype)
