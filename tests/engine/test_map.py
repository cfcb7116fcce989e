"""The engine's modules: what each may use, as the map in its docstring has it."""

import re
from pathlib import Path

import pytest

import mlpcore.engine

SOURCES = Path(__file__).resolve().parents[2] / "mlpcore" / "engine"
# Of a package's modules, Cython's build sees only `cimport package.module as module`.
IMPORT = re.compile(
    r"^(?:from mlpcore\.engine\.([\w.]+) c?import|cimport mlpcore\.engine\.([\w.]+) as)"
)

if not (SOURCES / "step.pyx").is_file():
    pytest.skip("the engine's sources are not beside the tests", allow_module_level=True)


def module_of(path):
    return ".".join(path.relative_to(SOURCES).with_suffix("").parts)


MODULES = {
    module_of(path)
    for suffix in ("py", "pyx", "pxd")
    for path in SOURCES.rglob(f"*.{suffix}")
    if path.stem != "__init__"
}


def used_by(module):
    """The modules that a module imports or cimports, in its source or its declarations."""
    used = set()
    for suffix in (".py", ".pyx", ".pxd"):
        path = SOURCES.joinpath(*module.split(".")).with_suffix(suffix)
        for line in path.read_text().splitlines() if path.is_file() else ():
            found = IMPORT.match(line)
            if found:
                used.add(found[1] or found[2])
            else:
                assert not re.match(r"(?:from|c?import) mlpcore", line), f"{module}: {line}"
    return used - {module}


def mapped():
    """The modules in the order of the map, from the outside in."""
    entries = re.findall(r"^- ((?:`[\w/]+`(?:, )?)+):", mlpcore.engine.__doc__, re.MULTILINE)
    assert entries
    return [re.findall(r"`([\w/]+)`", entry) for entry in entries]


def test_every_import_is_of_a_module_that_exists():
    for module in MODULES:
        assert used_by(module) <= MODULES, module


def test_the_map_has_every_module_once():
    names = [name.replace("/", ".") for entry in mapped() for name in entry]
    assert sorted(names) == sorted(MODULES)


def test_modules_use_only_what_the_map_has_below_them():
    """So there is no circle among them, either."""
    place = {
        name.replace("/", "."): number
        for number, name in enumerate(name for entry in mapped() for name in entry)
    }
    for module in MODULES:
        above = {used for used in used_by(module) if place[used] <= place[module]}
        assert not above, f"{module} uses {above}"
