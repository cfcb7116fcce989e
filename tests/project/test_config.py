"""What the installation says of itself."""

import platform
from importlib.metadata import version

import numpy as np
import pytest
import scipy
import threadpoolctl

import mlpcore
from mlpcore import show_config
from mlpcore._threads import available_threads
from mlpcore.engine.kernels import instruction_set


def test_config_as_a_dict():
    config = show_config("dicts")
    blas = [library for library in threadpoolctl.threadpool_info() if library["user_api"] == "blas"]
    assert config == {
        "mlpcore": mlpcore.__version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "machine": platform.machine(),
        "simd": instruction_set(),
        "blas": config["blas"],
        "threads": available_threads(),
    }
    assert config["simd"] in ("base", "v3", "v4")
    assert len(config["blas"]) == len(blas)
    for library in blas:
        assert any(str(library["version"]) in text for text in config["blas"])


def test_version_is_that_of_the_installation():
    assert version("mlpcore") == mlpcore.__version__


def test_config_is_printed(capsys):
    assert show_config() is None
    lines = capsys.readouterr().out.splitlines()
    config = show_config("dicts")
    assert [line.split(":")[0].strip() for line in lines] == list(config)
    for line, value in zip(lines, config.values(), strict=True):
        for part in value if isinstance(value, list) else [value]:
            assert str(part) in line


def test_the_package_as_a_command(run_python):
    run = "import runpy; runpy.run_module('mlpcore', run_name='__main__')"
    name, *others = run_python(run).splitlines()
    assert name.split() == ["mlpcore:", mlpcore.__version__]
    assert [line.split(":")[0].strip() for line in others] == list(show_config("dicts"))[1:]


@pytest.mark.parametrize("mode", ["json", None, True])
def test_other_modes_are_refused(mode):
    with pytest.raises(ValueError, match=f'"stdout" or "dicts"; got {mode!r}'):
        show_config(mode)


def test_the_environment_can_ask_for_a_lesser_set(run_python):
    code = "import mlpcore; print(mlpcore.show_config('dicts')['simd'])"
    assert run_python(code, MLPCORE_SIMD="base") == "base\n"
