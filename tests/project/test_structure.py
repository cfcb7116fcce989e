"""How the source tree is built: imports without circles, short functions, headers and mutants."""

import ast
import importlib.util
import re
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mlpcore"

pytestmark = pytest.mark.skipif(not PACKAGE.is_dir(), reason="the source tree is not here")

# Imports that close a circle today. None may be added; one that is gone must be taken from here.
KNOWN_CIRCLES: set[tuple[str, str]] = set()

MODULE_LINES = 450
PYTHON_LINES = 60  # of a function, its docstring left out
NOGIL_LINES = 70
# What is longer today. None may be added; what has become shorter must be taken from here.
KNOWN_LONG = {
    "plotting.py",  # many small figures
    "plotting.py: _draw_grid",
}

COMPILED_IMPORT = re.compile(r"^ *(?:from ([\w.]+) )?c?import (\([^)]*\)|.*)", re.M)


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(*suffixes):
    return [path for path in sorted(PACKAGE.rglob("*")) if path.suffix in suffixes]


def imported_names(path):
    """Yield what a file imports or cimports anywhere: a module, or a module and a name in it."""
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        for module, names in COMPILED_IMPORT.findall(text):
            for name in re.findall(r"[\w.]+(?: as \w+)?", names.partition("#")[0]):
                yield ".".join(filter(None, (module, name.partition(" as ")[0])))
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def import_graph():
    """For each module of the package, the modules of the package that it imports.

    A compiled module is its .pyx and its .pxd file. An import under TYPE_CHECKING or in a function
    counts like any other, since it couples its module just as much.
    """
    files = sources(".py", ".pyx", ".pxd")
    graph = {module_name(path): set() for path in files}
    for path in files:
        for name in imported_names(path):
            target = name if name in graph else name.rpartition(".")[0]
            if target in graph and target != module_name(path):
                graph[module_name(path)].add(target)
    return graph


def find_path(graph, start, goal):
    """A shortest way along the imports, as a list of modules; None if there is none."""
    ways = [[start]]
    seen = {start}
    for way in ways:
        if way[-1] == goal:
            return way
        for module in sorted(graph[way[-1]] - seen):
            seen.add(module)
            ways.append([*way, module])
    return None


def find_circle(graph):
    """A shortest circle of imports, as a list of modules; None if there is none."""
    circles = [
        [module, *way]
        for module, targets in graph.items()
        for target in targets
        if (way := find_path(graph, target, module))
    ]
    return min(circles, key=lambda circle: (len(circle), circle), default=None)


def test_find_circle():
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": set(), "d": {"a"}}) is None
    assert find_circle({"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": {"a"}}) == ["b", "c", "b"]


def test_imports_have_no_circle():
    graph = import_graph()
    assert len(graph) > 30
    assert "mlpcore.engine.layers.blas" in graph["mlpcore.engine.step"]
    for module, target in KNOWN_CIRCLES:
        way = target in graph.get(module, ()) and find_path(graph, target, module)
        assert way, f"{module} and {target} are in no circle any more: take them from KNOWN_CIRCLES"
        graph[module] = graph[module] - {target}
    circle = find_circle(graph)
    assert circle is None, f"imports in a circle: {' -> '.join(circle)}"


def python_functions(path):
    """Yield the functions of a .py file: name, and lines without the docstring."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = node.end_lineno - node.lineno + 1
            if ast.get_docstring(node) is not None:
                docstring = node.body[0]
                lines -= docstring.end_lineno - docstring.lineno + 1
            yield node.name, lines, PYTHON_LINES


def compiled_functions(path):
    """Yield the functions of a .pyx file: name, lines without the docstring, and their limit."""
    text = path.read_text(encoding="utf-8")
    function = re.compile(
        r"^( *)(?:def|cdef(?! class)|cpdef) [^=\n]*?(\w+)\((?:[^()]|\([^()]*\))*\)([^\n]*):\n"
        r"((?:\1 +.*\n|\n)*)",
        re.M,
    )
    for _, name, signature, body in function.findall(text):
        body = re.sub(r'\A\s*"""(?s:.*?)"""\n', "", body)
        yield (
            name,
            len(body.rstrip().split("\n")) + 1,
            (NOGIL_LINES if "nogil" in signature else PYTHON_LINES),
        )


def too_long():
    """Yield what is longer than it may be, with its number of lines."""
    for path in sources(".py", ".pyx", ".pxd", ".h"):
        name = str(path.relative_to(PACKAGE))
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES:
            yield name, lines
        functions = {".py": python_functions, ".pyx": compiled_functions}.get(path.suffix)
        for function, lines, limit in functions(path) if functions else ():
            if lines > limit:
                yield f"{name}: {function}", lines


def test_modules_and_functions_are_short():
    found = dict(too_long())
    new = {name: lines for name, lines in found.items() if name not in KNOWN_LONG}
    assert not new, "longer than the limits above; take them apart"
    assert not KNOWN_LONG - set(found), "not longer than the limits; take them from KNOWN_LONG"


def load(path):
    """Import a Python file that is in no package."""
    spec = importlib.util.spec_from_file_location(f"{path.stem}_of_the_tree", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_mutant_has_its_marker_and_applies():
    mutants = load(ROOT / "tools" / "mutants.py")
    edits = mutants.find_all(ROOT)
    assert len(edits) == len(mutants.MUTANTS) >= 27
    tests = {mutant.test.partition("::")[0] for mutant in mutants.MUTANTS}
    assert all((ROOT / "tests" / test).is_file() for test in tests)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("x = 1  # mutant: known", None),
        ("# mutant: known\nx = 1", None),
        ("/* mutant: known */ \\\nx = 1; \\", None),
        ("x = 1", "no marker"),
        ("x = 2  # mutant: known", "does not mark"),
        ("x = 1, 1  # mutant: known", "does not mark"),
        ("x = 1  # mutant: known\nx = 1  # mutant: known", "a second marker"),
        ("x = 1  # mutant: known\ny = 1  # mutant: unknown", "no entry"),
    ],
)
def test_markers_and_entries_of_mutants_belong_together(source, problem, tmp_path, monkeypatch):
    mutants = load(ROOT / "tools" / "mutants.py")
    monkeypatch.setattr(mutants, "MUTANTS", [mutants.Mutant("known", "1", "3", "test_some.py")])
    (tmp_path / "mlpcore").mkdir()
    (tmp_path / "mlpcore" / "some.h").write_text(source)
    if problem:
        with pytest.raises(ValueError, match=problem):
            mutants.find_all(tmp_path)
    else:
        path, text = mutants.find_all(tmp_path)["known"]
        assert path == Path("mlpcore", "some.h")
        assert "x = 3" in text


def test_marked_lines_of_a_mutant_change_places(tmp_path, monkeypatch):
    mutants = load(ROOT / "tools" / "mutants.py")
    monkeypatch.setattr(
        mutants, "MUTANTS", [mutants.Mutant("late", "c()", mutants.FIRST, "test_some.py")]
    )
    (tmp_path / "mlpcore").mkdir()
    source = "a()\n# mutant: late\nb()\nc()\nd()\n# end of mutant\ne()\n"
    (tmp_path / "mlpcore" / "some.py").write_text(source)
    _, text = mutants.find_all(tmp_path)["late"]
    assert text.split() == ["a()", "c()", "d()", "b()", "e()"]


def test_setup_lists_the_headers_that_the_compiler_opens(monkeypatch, tmp_path):
    """By Cython's view of what a module declares, and the compiler's of what headers include."""
    pytest.importorskip("Cython", reason="Cython is not installed")
    from Cython.Build.Dependencies import create_dependency_tree

    if not (PACKAGE / "engine" / "blas_int.pxi").exists():
        pytest.skip("setup.py has not run here, which writes a file that Cython asks for")
    monkeypatch.chdir(ROOT)
    setup = load(ROOT / "setup.py")
    tree = create_dependency_tree(quiet=True)
    compiler = [*sysconfig.get_config_var("CC").split()[:1], "-M", "-xc", "-I"]
    modules = setup.modules()
    assert {module.name for module in modules} >= {"mlpcore.engine.blas", "mlpcore.engine.step"}
    for module in modules:
        declared = {
            header
            for file in tree.all_dependencies(module.sources[0])
            for name in tree.parse_dependencies(file)[2]
            for folder in (Path(file).parent, *module.include_dirs)
            if PACKAGE in (header := Path(folder, name).resolve()).parents and header.is_file()
        }
        unit = tmp_path / "unit.c"
        unit.write_text("".join(f'#include "{header}"\n' for header in sorted(declared)))
        opened = subprocess.run(
            [*compiler, sysconfig.get_path("include"), str(unit)],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        expected = {
            path.resolve()
            # The compiler writes a blank within a name with a backslash before it.
            for path in (Path(name.replace("\\ ", " ")) for name in re.split(r"(?<!\\)\s", opened))
            if PACKAGE in path.resolve().parents
        }
        listed = {Path(header).resolve() for header in module.depends}
        if module.name == "mlpcore.engine.registry":  # takes the tables of headers, no kernels
            listed &= expected
        assert listed == expected, module.name


@pytest.mark.skipif(not (ROOT / ".pre-commit-config.yaml").exists(), reason="not a checkout")
def test_versions_of_the_linters_are_those_of_the_extra():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = set(project["optional-dependencies"]["lint"])
    assert all(re.fullmatch(r"[\w-]+==[\d.]+", requirement) for requirement in pinned)
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    listed = set(re.findall(r'additional_dependencies: \["(.*)"\]', hooks))
    assert len(listed) == 3
    assert listed < pinned
    assert "repo: local" in hooks
    assert hooks.count("repo:") == 1
