"""The recipes for other libraries run, and say what their last lines show."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "examples" / "recipes"
# What each needs beside mlpcore, and its output; (%) stands for a good accuracy.
EXPECTED = {
    "dask_halving": (
        ["distributed"],
        r"9 candidates with 4 epochs, 3 .* 12 epochs, 1 .* 36 epochs\n(%) with {.*}",
    ),
    "dask_incremental": (["dask_ml"], r"(%); the weights of partial_fit without Dask: True"),
    "dask_optuna": (["distributed", "optuna"], r"(%) with {'n_hidden': .*}, of 16 trials"),
    "dask_predict": (["dask_ml"], r"(%) of 35940 rows\nThe model is 3\d KB, 1\d\d with .*"),
    "dask_search": (["distributed"], r"(%) with {'hidden_layer_sizes': 50, .*}"),
    "emlearn_c": (["emlearn"], r"\d+ lines of C, which agree on (%) of the rows"),
    "joblib_search": ([], r"(%) with {'hidden_layer_sizes': 50, .*}"),
    "mlflow_tracking": (["mlflow"], r"20 epochs, from \d\d\.\d% to (%)"),
    "onnx_runtime": (["onnx", "onnxruntime"], r"(%), probabilities differ by \de-0[78] at most"),
    "optuna_search": (["optuna"], r"(%) with {'n_hidden': .*}; [1-9]\d* of 20 trials .*"),
    "polars_frames": (["polars"], r"(%), from the columns sepal_length, .*\n(?:.*\n)*.*in_\], .*"),
    "skops_file": (["skops"], r"To be trusted: .*AdamOptimizer\n(%); back in mlpcore: (%)"),
    "tensorboard_curves": (["tensorboardX"], r"10 hidden .*: \d\d\.\d%\n50 hidden .*: (%)"),
}


def test_every_recipe_is_listed():
    assert {path.stem for path in RECIPES.glob("*.py")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_recipe(name, tmp_path):
    needed, pattern = EXPECTED[name]
    script = RECIPES / f"{name}.py"
    if "sklearn" in script.read_text(encoding="utf-8"):
        needed = ["sklearn", *needed]
    for module in needed:
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"{module} is not installed")
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr
    found = re.fullmatch(pattern.replace("(%)", r"(\d\d\.\d|100\.0)%"), done.stdout.strip())
    assert found, done.stdout
    assert min(map(float, found.groups())) > 85
