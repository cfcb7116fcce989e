"""The code of docs/onnx.md runs, and the page names what the files have."""

import re
from pathlib import Path

import pytest

from mlpcore import _onnx

PAGE = Path(__file__).resolve().parents[2] / "docs" / "onnx.md"
TEXT = PAGE.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.M | re.S)


@pytest.mark.parametrize("code", BLOCKS, ids=["model", "pipeline"])
def test_code_runs(code, run_python):
    for name in re.findall(r"^(?:import|from) (onnx\w*|skl\w+)", code, re.M):
        pytest.importorskip(name, reason=f"{name} is not installed")
    pytest.importorskip("onnx", reason="onnx is not installed")
    run_python(f"import warnings; warnings.simplefilter('ignore')\n{code}")


def test_version_of_the_operators():
    assert re.findall(r"opset (\d+)", TEXT) == [str(_onnx._OPSET)]
