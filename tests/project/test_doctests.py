"""The examples in docstrings do what they show."""

import doctest
import importlib
import pkgutil

import pytest

import mlpcore


def modules():
    names = ["mlpcore"]
    names += [m.name for m in pkgutil.walk_packages(mlpcore.__path__, "mlpcore.")]
    return names


@pytest.mark.parametrize("name", modules())
def test_examples(name):
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert result.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder(exclude_empty=True)
    examples = [test for test in finder.find(mlpcore.NeuralNetMLP) if test.examples]
    assert examples
