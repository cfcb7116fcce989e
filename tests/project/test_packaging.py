"""What an installation of mlpcore consists of, and what importing it loads."""

import importlib
import importlib.metadata
import importlib.resources
import os
import pkgutil
import re
import shutil
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

import mlpcore
import mlpcore.engine

MODULES = [name for _, name, _ in pkgutil.walk_packages(mlpcore.__path__, "mlpcore.")]
# Cython's own module has neither declarations nor a stub.
COMPILED = [
    name
    for name in MODULES
    if importlib.import_module(name).__file__.endswith(tuple(EXTENSION_SUFFIXES))
    and not name.endswith("._cyutility")
]


def installed(module, suffix):
    """A file of the package that lies beside a module."""
    package, _, name = module.rpartition(".")
    return importlib.resources.files(package) / (name + suffix)


def test_import_loads_nothing_that_is_optional(run_python):
    loaded = run_python(
        "import sys, mlpcore, mlpcore.plotting\n"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    ).split()
    assert "numpy" in loaded
    optional = {
        "matplotlib",
        "sklearn",
        "pooch",
        "requests",
        "tqdm",
        "threadpoolctl",
        "PIL",
        "onnx",
    }
    assert not optional & set(loaded)


ELSEWHERE = """
import os, sys
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
for name in ("fork", "register_at_fork", "sched_getaffinity", "link"):
    delattr(os, name)
import mlpcore
X, y = mlpcore.load_digits()
nn = mlpcore.NeuralNetMLP(5, epochs=1, seed=1, n_threads=2).fit(X[:200], y[:200])
print(nn.predict(X[:1]).shape)
"""


@pytest.mark.skipif(not hasattr(os, "register_at_fork"), reason="takes away what is not there")
def test_import_and_fit_need_nothing_of_posix(run_python):
    assert run_python(ELSEWHERE).strip() == "(1,)"


def test_all_modules_are_for_one_version_of_python_or_none_is():
    files = [Path(importlib.import_module(name).__file__).name for name in COMPILED]
    endings = {file.partition(".")[2] for file in files}
    assert len(endings) == 1


def test_version_is_that_of_the_metadata():
    assert mlpcore.__version__ == importlib.metadata.version("mlpcore")
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+|rc\d+)?", mlpcore.__version__)


def test_licence_is_installed_and_named():
    distribution = importlib.metadata.distribution("mlpcore")
    assert distribution.metadata["License-Expression"] == "BSD-3-Clause"
    (licence,) = [file for file in distribution.files if file.name == "LICENSE"]
    assert licence.read_text().startswith("BSD 3-Clause License")


def test_what_must_be_installed_beside_it_is_little():
    needed = [line for line in importlib.metadata.requires("mlpcore") if "extra ==" not in line]
    assert {re.match(r"[\w-]+", line)[0] for line in needed} == {"numpy", "scipy", "threadpoolctl"}


def test_package_is_marked_as_typed():
    assert (importlib.resources.files("mlpcore") / "py.typed").is_file()


@pytest.mark.parametrize("module", COMPILED)
def test_compiled_module_has_declarations_and_a_stub(module):
    assert installed(module, ".pxd").is_file()
    assert installed(module, ".pyi").is_file()


def test_all_compiled_modules_were_found():
    assert len(COMPILED) >= 9
    packages = {module.rpartition(".")[0] for module in COMPILED}
    assert packages == {"mlpcore.engine", "mlpcore.engine.layers"}


def test_headers_that_the_declarations_include_are_installed():
    (folder,) = mlpcore.engine.__path__  # what README.md names as include directory
    folder = Path(folder)
    headers = {
        header
        for declarations in folder.rglob("*.pxd")
        for header in re.findall(r'cdef extern from "(.*)"', declarations.read_text())
    }
    assert headers
    for header in headers:
        assert (folder / header).is_file(), header


@pytest.mark.parametrize("module", ["mlpcore", "mlpcore.datasets"])
def test_public_names_are_there_and_described(module):
    module = importlib.import_module(module)
    for name in module.__all__:
        public = getattr(module, name)
        assert not callable(public) or public.__doc__, name


# The source folder

SOURCE = """
import importlib
try:
    importlib.import_module(NAME)
except ImportError as error:
    print(type(error).__name__, error.name, error)
"""


@pytest.mark.parametrize("name", ["mlpcore", "mlpcore.sklearn", "mlpcore.engine.trainer"])
@pytest.mark.parametrize("kind", ["source folder", "broken installation"])
def test_what_is_said_where_a_compiled_module_is_missing(kind, name, tmp_path, run_python):
    """A folder without what is compiled: the source, which has Cython's files, or not."""
    package = tmp_path / "mlpcore"
    compiled = ("*.so", "*.pyd", "*.pyx")
    shutil.copytree(mlpcore.__path__[0], package, ignore=shutil.ignore_patterns(*compiled))
    if kind == "source folder":
        for module in COMPILED:
            (tmp_path / module.replace(".", "/")).with_suffix(".pyx").touch()
    said = run_python(SOURCE.replace("NAME", repr(name)), PYTHONPATH=str(tmp_path))
    if kind == "source folder":
        assert said.startswith("ImportError")
        assert str(package) in said
        assert "pip install -e ." in said
    else:
        assert re.match(r"ModuleNotFoundError mlpcore\.engine\.\w+ No module named", said)
