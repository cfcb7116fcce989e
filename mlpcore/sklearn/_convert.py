"""To and from scikit-learn's own estimators."""

from __future__ import annotations

import copy
import inspect
from typing import Any, TypeVar, cast

import numpy as np
import sklearn.neural_network
from sklearn.neural_network import _stochastic_optimizers as theirs
from sklearn.utils._param_validation import StrOptions

from mlpcore.engine.network import Network
from mlpcore.sklearn._optimizer import OptimizerState
from mlpcore.training.schedules import PLANNED

Model = TypeVar("Model")

# The attributes in which scikit-learn's optimisers keep the engine's vectors. The state of an
# optimiser that is not listed cannot be converted.
_VECTORS = {
    "sgd": (), "momentum": ("velocities",), "nesterov": ("velocities",), "adam": ("ms", "vs"),
    "adamw": ("ms", "vs"),
}  # fmt: skip
# Both libraries have these fitted attributes in the same form.
_LEARNED = (
    "classes_", "n_features_in_", "feature_names_in_", "n_outputs_", "n_layers_", "n_iter_", "t_",
    "out_activation_", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
    "best_validation_score_", "_label_binarizer", "_no_improvement_count", "_random_state",
)  # fmt: skip


def _corresponding(cls: type[Any]) -> Any:
    """scikit-learn's class of the same kind."""
    for base in cls.__mro__:
        if base.__module__.startswith("mlpcore."):
            return getattr(sklearn.neural_network, base.__name__)
    raise TypeError(f"{cls.__name__} does not derive from a class of mlpcore.sklearn.")


def _parameters(estimator: Any) -> dict[str, Any]:
    """Copies of the parameters: two estimators must not share a random state."""
    return copy.deepcopy(estimator.get_params())


def _copy_learned(source: Any, target: Any) -> None:
    for name in _LEARNED:
        if name in vars(source):
            setattr(target, name, copy.deepcopy(getattr(source, name)))
    for name in ("coefs_", "intercepts_"):
        setattr(target, name, [part.copy(order="C") for part in getattr(source, name)])


def _choices(kind: Any, parameter: str) -> list[str]:
    """The names that a parameter of one of scikit-learn's classes may have."""
    constraints = kind._parameter_constraints.get(parameter, [])
    return [name for one in constraints if isinstance(one, StrOptions) for name in one.options]


def to_sklearn(model: Any) -> Any:
    """See the method of the same name."""
    kind = _corresponding(type(model))
    known = inspect.signature(kind.__init__).parameters
    parameters = {name: value for name, value in _parameters(model).items() if name in known}
    activation = model.activation
    if not isinstance(activation, str) and len(set(activation)) == 1:
        activation = next(iter(activation))
    default = model._default_out_activation() if hasattr(model, "coefs_") else None
    for name, value, choice in (
        ("activation", activation, _choices(kind, "activation")),
        ("loss", model.loss, _choices(kind, "loss") or ["log_loss", "squared_error"]),
        ("out_activation", model.out_activation, (None, default)),
    ):
        if value not in choice:
            raise ValueError(
                f"scikit-learn {sklearn.__version__} has no {name}={value!r}: the predictions of "
                "its estimator would differ."
            )
    parameters["activation"] = activation
    # These matter in training only.
    if np.ndim(model.alpha):
        del parameters["alpha"]
    if model.solver not in _choices(kind, "solver"):
        parameters["solver"] = "adam"
    if model.learning_rate in PLANNED:
        parameters["learning_rate"] = "constant"
    estimator = kind(**parameters)
    if not hasattr(model, "coefs_"):
        return estimator
    _copy_learned(model, estimator)
    # Where no score of a later fit is better, scikit-learn ends with these two.
    estimator._best_coefs, estimator._best_intercepts = estimator.coefs_, estimator.intercepts_
    if hasattr(model, "_optimizer") and model._optimizer.rule in _VECTORS:
        estimator._optimizer = _their_optimizer(model._optimizer, model._current(), estimator)
    return estimator


def _their_optimizer(mine: OptimizerState, network: Network, estimator: Any) -> Any:
    """scikit-learn's optimiser in the same state."""
    params = estimator.coefs_ + estimator.intercepts_
    if mine.rule in ("adam", "adamw"):
        other = theirs.AdamOptimizer(
            params, mine.learning_rate_init, mine.beta_1, mine.beta_2, mine.epsilon
        )
        other.t = mine.t
    else:
        other = theirs.SGDOptimizer(
            params, mine.learning_rate_init, mine.lr_schedule, mine.momentum, mine.nesterov,
            mine.power_t,
        )  # fmt: skip
    other.learning_rate = mine.learning_rate
    for i, name in enumerate(_VECTORS[mine.rule]):
        setattr(other, name, [part.copy(order="C") for part in _vector(mine, network, i)])
    return other


def _vector(optimizer: OptimizerState, network: Network, i: int) -> list[Any]:
    """Views of one of an optimiser's vectors, in the order of scikit-learn's lists."""
    assert optimizer.state is not None
    coefs, intercepts = network.views(optimizer.state[i * network.size : (i + 1) * network.size])
    return coefs + intercepts


def from_sklearn(cls: type[Model], estimator: Any) -> Model:
    """See the method of the same name."""
    kind = _corresponding(cls)
    if not isinstance(estimator, kind):
        raise TypeError(
            f"{cls.__name__}.from_sklearn takes a sklearn.neural_network.{kind.__name__}; got "
            f"{type(estimator).__name__}."
        )
    model: Any = cls(**_parameters(estimator))
    if not hasattr(estimator, "coefs_"):
        return model
    _copy_learned(estimator, model)
    model.validation_loss_curve_ = None
    if hasattr(estimator, "_optimizer"):
        model._optimizer = _my_optimizer(estimator._optimizer, model)
    return cast("Model", model)


def _my_optimizer(other: Any, model: Any) -> OptimizerState:
    mine = OptimizerState(model)
    network = model._current()
    adam = isinstance(other, theirs.AdamOptimizer)
    if adam:
        mine.rule, mine.lr_schedule = "adam", "constant"
        mine.beta_1, mine.beta_2, mine.epsilon = other.beta_1, other.beta_2, other.epsilon
        mine.t = other.t
        vectors = [other.ms, other.vs]
    else:
        mine.momentum, mine.nesterov = other.momentum, other.nesterov
        mine.lr_schedule, mine.power_t = other.lr_schedule, other.power_t
        mine.rule = "sgd" if mine.momentum == 0 else "nesterov" if mine.nesterov else "momentum"
        vectors = [] if mine.rule == "sgd" else [other.velocities]
    mine.learning_rate_init = float(other.learning_rate_init)
    mine.step_size = mine.learning_rate_init if adam else float(other.learning_rate)
    mine.epochs = model.n_iter_
    mine.state = np.zeros(len(vectors) * network.size, network.dtype)
    for i, parts in enumerate(vectors):
        for part, value in zip(_vector(mine, network, i), parts, strict=True):
            part[:] = value
    return mine
