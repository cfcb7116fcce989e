"""The pages of the site: their code runs, and every public name is on one of them."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest

from mlpcore.engine.registry import LOSSES

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.M | re.S)
PAGES = {
    str(path.relative_to(DOCS)): code
    for path in [*DOCS.glob("*.md"), *DOCS.glob("from/*.md"), *DOCS.glob("guide/*.md")]
    if (
        code := re.findall(r"^```python\n(.*?)^```$", path.read_text(encoding="utf-8"), re.M | re.S)
    )
}
# Others have tests of their own.
OWN = {"onnx.md", "architecture.md", "reliability.md", "benchmarks.md"}


def test_pages_are_found():
    expected = {"index.md", "draw.md", "from/book.md", "from/pytorch.md", "guide/accuracy.md"}
    assert expected <= set(PAGES)


@pytest.mark.parametrize("page", sorted(set(PAGES) - OWN))
def test_code_of_a_page_runs(page, run_python):
    code = "\n".join(PAGES[page])
    if "sklearn" in code:
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    silence = "import warnings; warnings.simplefilter('ignore')\n"  # of fits that end early
    run_python(silence + code, MPLBACKEND="agg")


def listed():
    """The names of the API's pages, with their modules."""
    module, names = None, set()
    for line in (DOCS / "api" / "index.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule::"):
            module = line.split()[-1]
        elif re.fullmatch(r"   [\w.]+", line):
            names.add((module, line.strip()))
    return names


@pytest.mark.parametrize("module", ["mlpcore", "mlpcore.sklearn", "mlpcore.plotting"])
def test_every_public_name_has_a_page(module):
    if module == "mlpcore.sklearn":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    public = set(importlib.import_module(module).__all__)
    assert {name for where, name in listed() if where == module} == public


def test_names_of_the_engine_exist():
    names = [name for where, name in listed() if where == "mlpcore.engine"]
    assert len(names) > 8
    for name in names:
        module, _, attribute = name.rpartition(".")
        assert inspect.getdoc(
            getattr(importlib.import_module(f"mlpcore.engine.{module}"), attribute)
        )


@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor"])
def test_docstrings_of_estimators_have_every_parameter(name):
    sklearn = pytest.importorskip("mlpcore.sklearn", reason="scikit-learn is not installed")
    cls = getattr(sklearn, name)
    text = inspect.getdoc(cls).split("Attributes\n---")[0]
    described = {
        each
        for names in re.findall(r"^(\w+(?:, \w+)*) : ", text, re.M)
        for each in names.split(", ")
    }
    assert described == set(inspect.signature(cls).parameters)
    assert "**" not in text
    assert {loss.parameter for loss in LOSSES.values()} - {None} <= described or name[3] == "C"


@pytest.mark.parametrize("path", sorted((DOCS.parent / "examples" / "gallery").glob("*.py")))
def test_gallery_examples_begin_with_a_title(path):
    title, underline, *_ = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))).split(
        "\n"
    )
    assert underline == "=" * len(title)
