"""Fitted models in files of arrays and text, all of which is checked when it is read."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mlpcore._files import load_npz, save_npz
from mlpcore._labels import check_labels
from mlpcore._paths import to_path
from mlpcore._validation import check_dtype, check_float, check_int, check_scale
from mlpcore._version import __version__, warn_if_newer
from mlpcore.distortion import Distortion
from mlpcore.neuralnet._parameters import check_activation, check_parameters

Model = TypeVar("Model")

_FORMAT = "mlpcore.NeuralNetMLP"
# 2 added the activations of the hidden layers, and the parameters that came with them.
_VERSION = 2

# These parameters hold an array for each layer.
_STARTS = ("coefs_init", "intercepts_init")


def save_model(model: Any, path: str | os.PathLike[str]) -> None:
    """Save a fitted model; `NeuralNetMLP.save` has the details.

    Parameters
    ----------
    model : NeuralNetMLP
        Fitted.
    path : str or PathLike

    Raises
    ------
    TypeError, ValueError
        If class labels or parameters are objects that only a pickle could hold, or a parameter is
        not one that `fit` accepts, and so not one that `load_model` accepts.
    OSError
        If the file cannot be written.
    """
    check_parameters(model)
    parameters = model.get_params()
    parameters.pop("callback", None)  # a function cannot be saved
    if parameters.get("dtype") is not None:
        parameters["dtype"] = np.dtype(parameters["dtype"]).name
    coefs, intercepts, background = model.__getstate__()["_layers"]
    arrays = {"classes": model.classes_}
    for name in _STARTS:
        starts = parameters.get(name)
        if starts is not None:
            parameters[name] = len(starts)
            arrays |= {f"{name}_{i}": np.asarray(start) for i, start in enumerate(starts)}
    if isinstance(parameters.get("class_weight"), Mapping):
        # JSON would turn the labels of a dict into text; pairs keep them.
        parameters["class_weight"] = list(parameters["class_weight"].items())
    if parameters.get("augment") is not None:
        parameters["augment"] = asdict(parameters["augment"])
    about = {
        "format": _FORMAT,
        "version": _VERSION,
        "mlpcore": __version__,
        "parameters": parameters,
        "history": model.eval_,
        "n_iter": model.n_iter_,
        "background": background,
        "scale": model._scale,
        "activation": model._activation,
        "feature_names": None if model._names is None else model._names.tolist(),
        "pixels": model._pixels,
    }
    if model.classes_.dtype == object:
        about["classes"] = model.classes_.tolist()
        del arrays["classes"]
    for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        arrays[f"coef_{i}"], arrays[f"intercept_{i}"] = coef, intercept
    try:
        text = json.dumps(about, default=_as_plain)
        if json.loads(text).get("classes") != about.get("classes"):
            raise TypeError("class labels of a kind that JSON does not keep")
    except TypeError as error:
        raise TypeError(
            f"cannot save {error}. Use numbers or text, or pickle the model instead."
        ) from None
    save_npz(path, about=text, **arrays)


def load_model(cls: type[Model], path: str | os.PathLike[str]) -> Model:
    """Load a model that `save_model` wrote. Nothing in the file is executed.

    Parameters
    ----------
    cls : type
        The model's class.
    path : str or PathLike

    Returns
    -------
    model : NeuralNetMLP

    Raises
    ------
    ValueError
        If the file is damaged, holds no model, or is of a newer format.
    OSError
        If the file cannot be read.
    """
    name = to_path(path)
    arrays = load_npz(name)
    try:
        about = json.loads(str(arrays["about"][()]))
        known = about["format"] == _FORMAT
        file_version = about["version"]
    except (KeyError, IndexError, TypeError, ValueError, RecursionError):
        known = False
    if not known:
        raise ValueError(
            f"{name}: expected a model saved by NeuralNetMLP.save; got arrays "
            f"{', '.join(list(arrays)[:5])}. Load such a file with load_npz."
        )
    if file_version not in (1, _VERSION):
        raise ValueError(
            f"{name}: expected model format {_VERSION} or older; got format {file_version!r}. "
            "Install the version of mlpcore that wrote it, or a newer one."
        )
    warn_if_newer(about.get("mlpcore"), name)
    try:
        parameters = dict(about["parameters"])
        for key in _STARTS:
            if parameters.get(key) is not None:
                length = check_int(parameters[key], key, low=1)
                parameters[key] = [arrays[f"{key}_{i}"] for i in range(length)]
        if isinstance(parameters.get("class_weight"), list):
            parameters["class_weight"] = dict(parameters["class_weight"])
        if parameters.get("augment") is not None:
            parameters["augment"] = Distortion(**parameters["augment"])
        if parameters.get("image_shape") is not None:
            parameters["image_shape"] = tuple(parameters["image_shape"])
        model = cls(**parameters)
        check_parameters(model)
        model.__setstate__(_learned(about, arrays))  # type: ignore[attr-defined]
    except (KeyError, IndexError, TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{name}: not a complete model: {error}. Save it again.") from error
    return model


def _learned(about: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The fitted attributes from the content of a file, which may be invalid in any way."""
    n_layers = sum(key.startswith("coef_") for key in arrays)
    coefs = [arrays[f"coef_{i}"] for i in range(n_layers)]
    intercepts = [arrays[f"intercept_{i}"] for i in range(n_layers)]
    classes = arrays.get("classes")
    if classes is None:
        classes = np.empty(len(about["classes"]), object)
        classes[:] = about["classes"]
    units = [len(coefs[0]), *(len(intercept) for intercept in intercepts)]
    for i, (coef, intercept) in enumerate(zip(coefs, intercepts, strict=True)):
        if coef.shape != (units[i], units[i + 1]) or intercept.shape != (units[i + 1],):
            raise ValueError(f"layer {i} has weights {coef.shape}, biases {intercept.shape}")
        if coef.dtype != coefs[0].dtype or intercept.dtype != coef.dtype:
            raise ValueError(f"layer {i} mixes dtypes")
        if not (np.isfinite(coef).all() and np.isfinite(intercept).all()):
            raise ValueError(f"layer {i} has weights or biases that are not finite")
    classes = check_labels(classes, "classes", len(classes), "the model")
    if len(set(classes.tolist())) < len(classes):
        raise ValueError("two classes are the same")
    if check_dtype(coefs[0].dtype) is None or classes.shape != (units[-1],) or min(units) < 1:
        raise ValueError(f"{units[-1]} output units for {classes.shape} classes")
    background = about["background"]
    if background is not None:
        background = check_float(background, "background", low=-math.inf)
        if abs(background) > float(np.finfo(coefs[0].dtype).max):
            raise ValueError(f"a background of {background} is no {coefs[0].dtype}")
    names = about.get("feature_names")
    if names is not None:
        if len(names) != units[0] or not all(isinstance(each, str) for each in names):
            raise ValueError(f"{len(names)} names for {units[0]} columns")
        names = np.array(names, object)
    pixels = about.get("pixels")
    if pixels is not None:
        empty, ink = (check_float(each, "pixels", low=-math.inf) for each in pixels)
        pixels = empty, ink
    activation = ("logistic",) * (n_layers - 1)
    if about["version"] > 1:
        activation = check_activation(list(about["activation"]), n_layers - 1)
    return {
        "_activation": activation,
        "_names": names,
        "_pixels": pixels,
        "classes_": classes,
        "n_features_in_": units[0],
        "eval_": {
            key: [float(value) for value in about["history"][key]]
            for key in ("cost", "train_acc", "valid_acc")
        },
        "n_iter_": check_int(about["n_iter"], "n_iter", low=0),
        "_scale": check_scale(about["scale"]),
        "input_path_": "dense" if background is None else "sparse",
        "_layers": (coefs, intercepts, background),
    }


def _as_plain(value: Any) -> Any:
    """NumPy's numbers and arrays for JSON."""
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"{value!r}")
