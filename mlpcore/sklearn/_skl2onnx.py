"""How sklearn-onnx (the package skl2onnx) converts the estimators within pipelines.

sklearn-onnx's converters of scikit-learn's own classes give a regressor one output column, whatever
its targets, and turn class labels into 32-bit integers; these do neither.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from mlpcore._onnx import import_onnx
from mlpcore._onnx_nodes import Nodes, tensor_type
from mlpcore.sklearn import _onnx
from mlpcore.sklearn._classifier import MLPClassifier
from mlpcore.sklearn._regressor import MLPRegressor


def register_onnx() -> None:
    """Let sklearn-onnx convert pipelines with `MLPClassifier` and `MLPRegressor`.

    After it, ``skl2onnx.to_onnx(pipeline, X[:1])`` converts them like scikit-learn's own classes.
    A network computes in the dtype of its weights, as `predict` does, and its outputs have the
    dtype of the pipeline's input. Labels that are integers become int64, and labels that are text,
    booleans or floats stay what they are. sklearn-onnx by default turns probabilities into a list
    of dicts (its option ``zipmap``); for labels that are booleans or floats, which these cannot
    hold, they always stay an array.

    Raises
    ------
    ImportError
        If the package skl2onnx is not installed.

    See Also
    --------
    MLPClassifier.to_onnx : An ONNX file of the classifier alone, without sklearn-onnx.
    MLPRegressor.to_onnx : The same for the regressor.
    """
    import_onnx("register_onnx")
    try:
        from skl2onnx import update_registered_converter
    except ModuleNotFoundError as error:
        raise ImportError(
            "register_onnx needs the package skl2onnx: pip install skl2onnx"
        ) from error
    update_registered_converter(
        MLPClassifier,
        "MlpcoreMLPClassifier",
        _classifier_shapes,
        _convert_classifier,
        parser=_parse_classifier,
        # sklearn-onnx asks whether labels are to be left out, for ZipMap.
        options={"zipmap": [True, False, "columns"], "nocl": [False]},
    )
    update_registered_converter(
        MLPRegressor, "MlpcoreMLPRegressor", _regressor_shapes, _convert_regressor
    )


def _parse_classifier(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """The outputs of a classifier: with a ZipMap only for labels that it can hold."""
    from skl2onnx import _parse

    labels = _onnx.classifier(model).labels
    assert labels is not None
    parse = _parse._parse_sklearn_simple_model
    if labels.dtype.kind in "iuO":
        parse = _parse._parse_sklearn_classifier
    return parse(scope, model, inputs, custom_parsers=custom_parsers)


def _classifier_shapes(operator: Any) -> None:
    from skl2onnx.common import data_types

    model = operator.raw_operator
    labels = _onnx.classifier(model).labels
    assert labels is not None
    if labels.dtype.kind == "u" and labels.max(initial=0) > np.iinfo(np.int64).max:
        raise TypeError("sklearn-onnx holds integer labels of up to 63 bits; use to_onnx.")
    kind = {
        "O": data_types.StringTensorType,
        "b": data_types.BooleanTensorType,
        "f": data_types.DoubleTensorType,
    }.get(labels.dtype.kind, data_types.Int64TensorType)
    n_rows = operator.inputs[0].get_first_dimension()
    several = model._label_binarizer.y_type_ == "multilabel-indicator"
    operator.outputs[0].type = kind([n_rows, model.n_outputs_] if several else [n_rows])
    number = type(data_types.guess_tensor_type(operator.inputs[0].type))
    operator.outputs[1].type = number([n_rows, max(2, model.n_outputs_)])


def _regressor_shapes(operator: Any) -> None:
    from skl2onnx.common.data_types import guess_tensor_type

    n_rows = operator.inputs[0].get_first_dimension()
    number = type(guess_tensor_type(operator.inputs[0].type))
    operator.outputs[0].type = number([n_rows, operator.raw_operator.n_outputs_])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    _convert(scope, operator, container, _onnx.classifier(operator.raw_operator))


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    _convert(scope, operator, container, _onnx.regressor(operator.raw_operator, flat=False))


def _convert(scope: Any, operator: Any, container: Any, kind: _onnx.Model) -> None:
    """Add a model to the graph of a pipeline, its outputs in the types of the shape calculators."""
    from onnx import helper
    from skl2onnx.common.data_types import guess_proto_type

    model = operator.raw_operator
    network = model._current()
    nodes = Nodes(network.dtype, scope.get_unique_variable_name)
    x = nodes.cast(operator.inputs[0].full_name, network.dtype)
    outputs = _onnx.add(nodes, x, model, network, kind)
    names = {}
    for output, variable in zip(outputs.values(), operator.outputs, strict=True):
        value, wanted = output.value, guess_proto_type(variable.type)
        if tensor_type(output.dtype) != wanted:
            value = nodes("Cast", value, to=wanted)
        names[value] = variable.full_name
    nodes.rename(names)
    container.initializers.extend(nodes.constants)
    for node in nodes.nodes:
        attributes = {part.name: helper.get_attribute_value(part) for part in node.attribute}
        container.add_node(
            node.op_type, list(node.input), list(node.output), name=node.name, **attributes
        )
