"""What an installation of mlpcore consists of, and what importing it loads."""

import doctest
import importlib
import importlib.metadata
import importlib.resources
import os
import pkgutil
import re
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES

import pytest

import mlpcore
import mlpcore.engine

MODULES = [name for _, name, _ in pkgutil.walk_packages(mlpcore.__path__, "mlpcore.")]
COMPILED = [
    name
    for name in MODULES
    if importlib.import_module(name).__file__.endswith(tuple(EXTENSION_SUFFIXES))
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
    optional = {"matplotlib", "sklearn", "pooch", "requests", "tqdm", "threadpoolctl", "PIL"}
    assert not optional & set(loaded)


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
    assert {module.rpartition(".")[0] for module in COMPILED} == {"mlpcore.engine"}


def test_every_pxd_can_be_cimported_with_no_flags_and_no_include_path(tmp_path, run_python):
    folder = importlib.resources.files("mlpcore.engine")
    names = sorted(file.name[:-4] for file in folder.iterdir() if file.name.endswith(".pxd"))
    names.remove("__init__")
    assert {"typedefs", *(module.rpartition(".")[2] for module in COMPILED)} == set(names)
    lines = [f"cimport mlpcore.engine.{name}" for name in names]
    lines += [
        "from mlpcore.engine.activations cimport activate",
        "from mlpcore.engine.team cimport Team, barrier_take",
        "def relu(int kind, double[::1] z, Team team):",
        "    activate[double](kind, &z[0], z.shape[0])",
        "    return barrier_take(team.barrier), barrier_take(team.barrier)",
    ]
    (tmp_path / "stranger.pyx").write_text("\n".join(lines) + "\n")
    done = subprocess.run(
        [sys.executable, "-m", "Cython.Build.Cythonize", "-i", "-3", "stranger.pyx"],
        cwd=tmp_path,
        env={key: value for key, value in os.environ.items() if key != "LD_PRELOAD"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    output = run_python(
        "import numpy as np, stranger\n"
        "from mlpcore.engine.activations import ACTIVATIONS\n"
        "from mlpcore.engine.team import Team\n"
        "z = np.array([-1.5, 0, 2])\n"
        "print(stranger.relu(ACTIVATIONS.index('relu'), z, Team(1)), z.tolist())"
    )
    assert output == "(0, 1) [0.0, 0.0, 2.0]\n"


@pytest.mark.parametrize("module", ["mlpcore", "mlpcore.datasets"])
def test_public_names_are_there_and_described(module):
    module = importlib.import_module(module)
    for name in module.__all__:
        public = getattr(module, name)
        assert not callable(public) or public.__doc__, name


@pytest.mark.parametrize("name", ["mlpcore", *MODULES])
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    results = doctest.testmod(importlib.import_module(name), optionflags=doctest.ELLIPSIS)
    assert results.failed == 0
