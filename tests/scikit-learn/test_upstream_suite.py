"""scikit-learn's own tests of its multi-layer perceptrons, with the two names replaced."""

import inspect
import re
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

from sklearn.neural_network.tests import test_mlp

COMPAT = Path(__file__).resolve().parents[2] / "docs" / "sklearn-compat.md"
LINE = "from sklearn.neural_network import MLPClassifier, MLPRegressor"

# Under scikit-learn's settings, a warning that a fit has not converged is no error.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture
def global_random_seed():
    """scikit-learn's fixture of that name, with the seed that it has where none is asked for."""
    return 42


source = inspect.getsource(test_mlp)
assert source.count(LINE) == 1
# Compiled under its own name, so that a failure shows the lines of scikit-learn's file.
exec(
    compile(
        source.replace(LINE, "from mlpcore.sklearn import MLPClassifier, MLPRegressor"),
        test_mlp.__file__,
        "exec",
    )
)

# What docs/sklearn-compat.md lists, each with its reason, is all that is left out.
_, _, listed = COMPAT.read_text().partition("## Tests that are left out")
LEFT_OUT = re.findall(r"^- `(\w+)`: \S", listed.partition("\n## ")[0], re.MULTILINE)
for name in LEFT_OUT:
    del globals()[name]  # KeyError: scikit-learn has no such test, so it must not be listed


def test_they_are_all_there():
    """And they do test our classes."""
    assert globals()["MLPClassifier"].__module__.startswith("mlpcore.")
    assert globals()["MLPRegressor"].__module__.startswith("mlpcore.")
    theirs = {name for name in vars(test_mlp) if name.startswith("test_")}
    assert theirs - set(globals()) == set(LEFT_OUT)
    assert len(theirs) > 30
