"""The benchmark suite itself: its reference, its equality check, its report. Nothing is timed."""

import importlib
import json
import multiprocessing
import os
import re
import subprocess
import sys
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
if not (ROOT / "benchmarks").is_dir():
    pytest.skip("the benchmarks are not part of the installed package", allow_module_level=True)

# As the package, without putting the checkout, which has no compiled parts, on sys.path.
benchmarks = sys.modules.setdefault("benchmarks", ModuleType("benchmarks"))
benchmarks.__path__ = [str(ROOT / "benchmarks")]
definitions, instructions, machine, report, runner, sharing, targets, tasks, textbook = (
    importlib.import_module(f"benchmarks.{name}")
    for name in (
        "definitions",
        "instructions",
        "machine",
        "report",
        "runner",
        "sharing",
        "targets",
        "tasks",
        "implementations.textbook",
    )
)

SMALL = tasks.Task(
    data="synthetic",
    columns=7,
    hidden=(5, 4),
    rows=60,
    valid=20,
    batch=20,
    repeat=2,
    dtype="float64",
)


def small_benchmark(*implementations, **changes):
    return definitions.Benchmark(
        "synthetic", "", (definitions.Case("", SMALL),), implementations, **changes
    )


def test_textbook_history_on_mnist():
    if not os.environ.get("MLPCORE_DATA"):
        pytest.skip("needs MNIST in the folder that MLPCORE_DATA names")
    task = tasks.Task(dtype="float64")
    fit = textbook.Fit(task, tasks.load(task), {"threads": 1})
    history = []
    evaluate = fit.evaluate
    fit.evaluate = lambda: history.append(evaluate()) or history[-1]
    fit.run(3)
    expected = [
        (66739.7088, 0.845345, 0.8886),
        (47830.4001, 0.883364, 0.9174),
        (40336.6388, 0.896400, 0.9270),
    ]
    for epoch, (cost, train_acc, valid_acc) in zip(history, expected, strict=True):
        assert epoch["cost"] == pytest.approx(cost, abs=5e-5)
        assert epoch["train_acc"] == pytest.approx(train_acc, abs=5e-7)
        assert epoch["valid_acc"] == pytest.approx(valid_acc, abs=5e-7)


def test_textbook_step_follows_the_gradient():
    """A step moves each weight by -eta times the central difference of the cost, summed."""
    # The book's cost has l2, not l2 / 2, although its update is that of l2 / 2.
    task = replace(SMALL, batch=60, l2=0.3)
    data = tasks.load(task)
    fit = textbook.Fit(task, data, {"threads": 1})
    start = tasks.Start(task)
    weights = [w.copy() for w in start.weights]
    fit.weights, fit.biases = start.weights, start.biases
    fit.step(data.X, fit.T)

    def cost(layer, index, change):
        moved = [w.copy() for w in weights]
        moved[layer][index] += change
        z = textbook.forward(data.X, moved, tasks.Start(task).biases)[1]
        return textbook.cost(z, fit.T, moved, task.l2 / 2)

    for layer, index in ((0, (2, 3)), (1, (4, 0)), (2, (1, 9))):
        gradient = (cost(layer, index, 1e-5) - cost(layer, index, -1e-5)) / 2e-5
        step = fit.weights[layer][index] - weights[layer][index]
        assert step == pytest.approx(-task.eta * gradient, rel=1e-6)


def test_mlpcore_reaches_the_reference():
    mlpcore_ = importlib.import_module("benchmarks.implementations.mlpcore_")
    for task in (SMALL, replace(SMALL, batch=1), replace(SMALL, dtype="float32")):
        data = tasks.load(task)
        outcomes = []
        for module in (textbook, mlpcore_):
            fit = module.Fit(task, data, next(iter(module.settings(task, 1))))
            fit.run(3)
            outcomes.append(fit.outcome())
        runner.require_equal(outcomes[1], outcomes[0], task)


@pytest.mark.parametrize("target", ["number", "binary"])
def test_tables_reach_scikit_learns_network(target):
    """In processes of their own: JAX in this one would warn of every fork."""
    task = replace(definitions.table_task((120, 6, (5, 4)), "float64", target), batch=20)
    y = tasks.load(task).y
    assert set(y.tolist()) == {False, True} if target == "binary" else y.std() > 0.9
    peers = [
        definitions.Implementation(f"{module}, {gathers}", module, {**more, "gathers": gathers})
        for module, more in (("jax_tables", {}), ("torch_tables", {"mode": "eager"}))
        for gathers in ("minibatches", "epochs")
    ]
    benchmark = definitions.Benchmark(
        "tables",
        "",
        (definitions.Case("", task),),
        (definitions.OURS, *peers),
        reference=definitions.THEIRS,
        rounds=1,
    )
    record = runner.run_case(benchmark, benchmark.cases[0], 1)
    assert record["reference"].keys() == {"cost"}
    for name, entry in record["implementations"].items():
        assert entry.get("missing") or entry["outcome"].keys() == {"cost"}, (name, entry)


def test_the_cost_of_a_table_is_scikit_learns_loss(monkeypatch):
    """With one minibatch an epoch, the loss of an epoch is the cost before its only step."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    estimators = importlib.import_module("benchmarks.implementations.estimators")
    for target in ("number", "binary"):
        task = replace(definitions.table_task((40, 3, (4,)), "float64", target), batch=40)
        data = tasks.load(task)
        fit = estimators.Fit(task, data, {"threads": 1, "library": "sklearn.neural_network"})
        fit.run(2)
        cost = fit.outcome()["cost"]
        fit.run(3)
        assert fit.model.loss_ == pytest.approx(cost, rel=1e-12)


def test_a_search_finds_the_same_with_either_library(monkeypatch):
    for name, value in machine.environment(1).items():
        monkeypatch.setenv(name, value)  # so that what the search sets does not stay
    estimators = importlib.import_module("benchmarks.implementations.estimators")
    (case,) = definitions.SEARCH.cases
    assert estimators.settings(case.task, 2) == [{"threads": 1, "n_jobs": 2}]
    fits = 3 * np.prod([len(values) for values in estimators.GRID.values()])
    assert f"{fits} small fits" in definitions.SEARCH.title
    grid = {"hidden_layer_sizes": [(5,), (10,)], "learning_rate_init": [0.001, 0.01]}
    monkeypatch.setattr(estimators, "GRID", grid)
    task = replace(case.task, rows=330)  # a minibatch and more in two folds
    data = tasks.load(task)
    outcomes = []
    for implementation in definitions.SEARCH.implementations:
        setting = {"threads": 1, "n_jobs": 1, **implementation.setting}
        search = estimators.Search(task, data, setting)
        search.run(1)
        outcomes.append(search.outcome())
    assert outcomes[0] == pytest.approx(outcomes[1], rel=1e-12)
    runner.require_equal(*outcomes, task)
    with pytest.raises(runner.Failed, match="best_index"):
        runner.require_equal({**outcomes[0], "best_index": -1}, outcomes[1], task)


def test_all_threads_can_be_made_to_work_always(monkeypatch):
    from mlpcore import NeuralNetMLP, load_digits
    from mlpcore.engine import team_size, trainer

    for owner, name in ((team_size.TeamSize, "__init__"), (trainer, "worthwhile")):
        monkeypatch.setattr(owner, name, getattr(owner, name))  # so that the original comes back
    fixed_threads = importlib.import_module("benchmarks.implementations.fixed_threads")
    X, y = load_digits()
    settings = {"n_hidden": 2, "epochs": 2, "minibatch_size": 10, "seed": 1}
    settings.update(n_threads=3, progress=False)
    expected = NeuralNetMLP(**settings).fit(X, y)
    assert expected.n_threads_ < 3  # ten rows of so few units
    fixed_threads.always_all()
    model = NeuralNetMLP(**settings).fit(X, y)
    assert model.n_threads_ == 3
    assert model.eval_ == expected.eval_


@pytest.mark.parametrize("name", ["cost", "train_acc", "valid_acc"])
def test_unequal_outcomes_are_refused(name):
    reference = {"cost": 250.0, "train_acc": 0.5, "valid_acc": 0.25}
    runner.require_equal(reference, reference, SMALL)
    for wrong in (reference[name] * 1.01, float("nan")):
        with pytest.raises(runner.Failed, match=f"not the same training: {name}"):
            runner.require_equal({**reference, name: wrong}, reference, SMALL)
    runner.require_equal({}, reference, SMALL)  # scikit-learn's accuracies, say, are not made


def test_rounds_are_interleaved_and_wrong_implementations_have_no_times(monkeypatch):
    log = []

    class Scripted(AbstractContextManager):
        """Stands for a process; the implementation's module says how it behaves."""

        trials = ()

        def __init__(self, implementation, case, threads):
            self.module = implementation.module
            if self.module == "absent":
                raise runner.Missing("absent is not installed")

        def run(self):
            log.append(self.module)
            cost = 20.0 if self.module == "wrong" else 10.0
            return {"value": 0.5, "outcome": {"cost": cost}, "setting": {}}

        def close(self, *_):
            pass

        __exit__ = close

    monkeypatch.setattr(runner, "Worker", Scripted)
    entries = [definitions.Implementation(name, name) for name in ("a", "wrong", "absent", "b")]
    benchmark = small_benchmark(*entries, rounds=2)
    entries = runner.run_case(benchmark, benchmark.cases[0], 1)["implementations"]
    assert log == ["textbook", "a", "wrong", "b", "a", "b", "a", "b"]
    assert entries["a"]["samples"] == entries["b"]["samples"] == [0.5, 0.5]
    assert entries["wrong"]["samples"] == entries["absent"]["samples"] == []
    assert "not the same training" in entries["wrong"]["failed"]
    assert not entries["wrong"]["missing"]
    assert entries["absent"]["missing"]


def test_busy_programs_run_beside_each_run_and_then_end(monkeypatch):
    started = []

    class Recorded(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    monkeypatch.setattr(machine.subprocess, "Popen", Recorded)
    with machine.busy(2):
        assert [process.poll() for process in started] == [None, None]
    assert len(started) == 2
    assert None not in [process.poll() for process in started]
    with machine.busy(0):
        assert len(started) == 2


def test_each_implementation_runs_beside_the_busy_programs(monkeypatch):
    beside = []

    class Scripted(AbstractContextManager):
        trials = ()

        def __init__(self, implementation, case, threads):
            log.append(("start", implementation.name, *beside))

        def run(self):
            log.append(("run", *beside))
            return {"value": 0.5, "outcome": {}, "setting": {}}

        def __exit__(self, *_):
            pass

    @contextmanager
    def busy(count):
        beside.append(count)
        yield
        beside.remove(count)

    log = []
    monkeypatch.setattr(runner, "Worker", Scripted)
    monkeypatch.setattr(runner.machine, "busy", busy)
    entries = [definitions.Implementation(name, "") for name in "ab"]
    benchmark = small_benchmark(*entries, rounds=1, reference=None)
    runner.run_case(benchmark, replace(benchmark.cases[0], busy=2), 1)
    assert log == [("start", "a", 2), ("run", 2), ("start", "b", 2), ("run", 2), *[("run", 2)] * 2]
    assert not beside


def test_processes_run_and_agree():
    benchmark = small_benchmark(
        definitions.NUMPY, definitions.TEXTBOOK, definitions.MLPCORE, rounds=1
    )
    result = runner.run_benchmark(
        benchmark, machine.Neighbours(machine.cores(1)), say=lambda _: None
    )
    entries = result["cases"][0]["implementations"]
    assert {name: len(implementation["samples"]) for name, implementation in entries.items()} == {
        "NumPy": 1,
        "textbook": 1,
        "mlpcore": 1,
    }
    cost = result["cases"][0]["reference"]["cost"]
    assert entries["mlpcore"]["outcome"]["cost"] == pytest.approx(cost, rel=1e-9)
    json.dumps(result)


def test_accuracy_below_the_textbooks_has_no_time(monkeypatch):
    monkeypatch.setenv("MLPCORE_DATA", "")
    recipe = importlib.import_module("benchmarks.implementations.recipe")
    benchmark = definitions.BENCHMARKS["accuracy"]
    run = recipe.Accuracy(benchmark.cases[0].task, None, {})
    scores = {1: 0.98, 2: 0.9754, 3: 0.9753}
    run.accuracy = scores.get
    run.run(2)
    assert run.outcome() == {"lowest_test_acc": 0.9754}
    run.run(1)
    with pytest.raises(RuntimeError, match=r"97\.53% of the test images are too few"):
        run.outcome()


def test_learning_rates_of_the_recipe_are_pytorchs():
    pytest.importorskip("torch", reason="compares with PyTorch")
    recipe = importlib.import_module("benchmarks.implementations.recipe_torch")
    steps = 1875 * 3
    expected = recipe.RECIPE.LEARNING_RATE * recipe.RECIPE.one_cycle(steps)
    np.testing.assert_allclose(recipe.learning_rates(steps), expected, rtol=1e-9)


def test_the_error_that_ends_a_process_is_reported():
    benchmark = small_benchmark(
        definitions.Implementation("no such module", "no_such_module"), definitions.NUMPY
    )
    record = runner.run_case(benchmark, benchmark.cases[0], 1)
    assert "no_such_module" in record["implementations"]["no such module"]["failed"]


def synthetic_results():
    """Samples of all implementations of two benchmarks."""
    rng = np.random.default_rng(0)
    results = {}
    for name, scale in (("main", 1.0), ("minibatch", 1.0)):
        benchmark = definitions.BENCHMARKS[name]
        cases = []
        for case in benchmark.cases:
            entries = {}
            for place, implementation in enumerate(benchmark.implementations):
                values = (scale * (1 + 5 * place) * rng.uniform(0.9, 1.1, 5)).tolist()
                entries[implementation.name] = {"samples": values, "setting": {"threads": 2}}
            cases.append({"label": case.label, "task": {"rows": 1000}, "implementations": entries})
        results[name] = {
            "benchmark": name,
            "date": "2025-01-01T00:00:00+00:00",
            "machine": {
                "cpu": "a processor",
                "caches": {"L1": "32K"},
                "instruction sets": ["avx2"],
            },
            "versions": {"numpy": "2.0"},
            "rounds": 5,
            "cases": cases,
        }
    return results


def cells(markdown, first):
    """The cells of the table row that starts with `first`."""
    rows = [line for line in markdown.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in rows[0].strip("|").split("|")]


def test_report_numbers_are_medians_and_ratios():
    results = synthetic_results()
    entries = results["main"]["cases"][0]["implementations"]
    own, peer = (median(entries[name]["samples"]) for name in ("mlpcore", "PyTorch"))
    section = report.section(results["main"])
    row = cells(section, "PyTorch")
    assert row[1] == f"{peer:#.3g} s"
    low, high = min(entries["PyTorch"]["samples"]), max(entries["PyTorch"]["samples"])
    assert row[2] == f"{low:#.3g} s to {high:#.3g} s"
    assert row[3:] == [f"{peer / own:.1f}", "2 threads"]


def test_report_divides_by_rows_where_the_contest_says_so():
    results = synthetic_results()
    case = results["minibatch"]["cases"][0]
    own = median(case["implementations"]["mlpcore"]["samples"]) / 1000
    section = report.section(results["minibatch"])
    row = next(
        line for line in section.splitlines() if line.startswith("| minibatch 1 | mlpcore |")
    )
    assert f"| {own * 1000:#.3g} ms |" in row or f"| {own * 1e6:.0f} µs |" in row


def test_close_cases_are_the_ratios_below_the_threshold():
    results = synthetic_results()
    assert report.close_cases(results).startswith(
        f"In 0 of {5 + 3 * 5} comparisons, a peer takes less than 1.1 times as long"
    )
    runs = results["main"]["cases"][0]["implementations"]
    runs["JAX"]["samples"] = [value / 2 for value in runs["mlpcore"]["samples"]]
    runs["PyTorch"]["samples"] = [value * 1.09 for value in runs["mlpcore"]["samples"]]
    runs["NumPy"]["samples"] = [value * 1.11 for value in runs["mlpcore"]["samples"]]
    text = report.close_cases(results)
    assert text.startswith("In 2 of 20 comparisons")
    title = definitions.BENCHMARKS["main"].title
    assert f"| {title} | JAX | 0.50 |\n| {title} | PyTorch | 1.09 |" in text
    assert "NumPy" not in text


def test_document_has_every_benchmark_with_its_limits_and_no_targets():
    results = synthetic_results()
    text = report.document(results)
    assert text == report.document(json.loads(json.dumps(results)))
    for name in results:
        assert f"### {definitions.BENCHMARKS[name].title}\n" in text
        assert f"### Limits: {definitions.BENCHMARKS[name].title}\n" in text
    assert "Limits: prediction" not in text
    assert "reached" not in text


def test_limits_belong_to_benchmarks():
    names = re.findall(r"^## (\S+)$", (ROOT / "benchmarks/limits.md").read_text("utf-8"), re.M)
    assert names
    assert set(names) <= set(definitions.BENCHMARKS)


def test_stored_results_make_the_documents():
    if not (ROOT / "docs").is_dir():
        pytest.skip("the documents are not part of this tree")
    results = report.load(report.RESULTS)
    # A benchmark is on the page once it has been run on a quiet machine.
    assert set(definitions.BENCHMARKS) >= set(results) >= {"main", "estimators", "predict"}
    assert (ROOT / "docs/benchmarks.md").read_text("utf-8") == report.document(results)
    readme = (ROOT / "README.md").read_text("utf-8")
    assert readme == report.replace_between_markers(readme, report.readme_table(results))


def test_partition_covers_all_rows_once():
    for units, batch, filled in sharing.CASES.values():
        training = sharing.trainer(units, batch, filled)
        for threads in sharing.THREADS:
            rows, updated = sharing.partition(training, threads)
            for bounds, end in zip((rows, *updated), (batch, *units[:-1]), strict=True):
                assert bounds[0] == 0
                assert bounds[-1] == end
                assert bounds == sorted(bounds)
        assert training.n_threads == 1


def test_notes_have_the_counts_of_many_threads():
    assert sharing.table() in (ROOT / "benchmarks/notes.md").read_text("utf-8")


def test_readme_table_goes_between_the_markers():
    results = synthetic_results()
    text = f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n"
    once = report.replace_between_markers(text, report.readme_table(results))
    assert once.startswith(f"before\n{report.BEGIN}\n")
    assert once.endswith(f"|\n{report.END}\nafter\n")
    assert "old" not in once
    assert report.replace_between_markers(once, report.readme_table(results)) == once
    with pytest.raises(SystemExit, match="has no lines"):
        report.replace_between_markers("no markers", "")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.06612, "s an epoch", "66.1 ms"),
        (1.0249e-6, "s a call", "1.02 µs"),
        (131.4, "s", "131 s"),
        (39.96e6, "B", "40.0 MB"),
        (0.1234, "%", "12%"),
        (4.236, "", "4.24"),
        (15.04, "", "15.0"),
    ],
)
def test_amounts_have_three_digits_and_a_unit(value, unit, text):
    assert report.amount(value, unit) == text


def test_pictures_show_every_contest_on_an_axis():
    pytest.importorskip("matplotlib", reason="pictures need matplotlib")
    pictures = importlib.import_module("benchmarks.pictures")
    results = synthetic_results()
    bars = pictures.ratios(results).axes[0]
    assert len(bars.get_yticklabels()) == 4  # main, and minibatch 1, 10 and 1,000
    (panel,) = pictures.sweeps(results).axes
    assert len(panel.lines) == len(definitions.BENCHMARKS["minibatch"].implementations)


def test_every_headline_is_in_the_table():
    for name, label, _ in report.HEADLINES:
        assert label in [case.label for case in definitions.BENCHMARKS[name].cases]


def test_targets_measure_what_their_benchmark_has():
    assert set(targets.TARGETS) <= set(definitions.BENCHMARKS)
    for name, of_benchmark in targets.TARGETS.items():
        benchmark = definitions.BENCHMARKS[name]
        times = {
            case.label: {implementation.name: 1.0 for implementation in benchmark.implementations}
            for case in benchmark.cases
        }
        for target in of_benchmark:
            assert np.isfinite(target.measure(times)), (name, target.text)
            assert (target.at_least is None) != (target.at_most is None)


def test_targets_are_judged_and_counted():
    results = synthetic_results()
    runs = results["main"]["cases"][0]["implementations"]
    own = median(runs["mlpcore"]["samples"])
    for name, ratio in (("PyTorch", 7.5), ("JAX", 2.9)):
        runs[name]["samples"] = [ratio * own]
    runs["textbook"]["samples"] = []
    text = targets.report(results)
    assert "| main | against PyTorch | at least 5.5 | 7.50 | yes |" in text
    assert "| main | against JAX | at least 3 | 2.90 | **no** |" in text
    assert "| main | against textbook | at least 12 | not measured |  |" in text
    reached, missed = text.count("| yes |"), text.count("| **no** |")
    assert f"{reached} of {reached + missed + 1} targets reached, {missed} missed, 1 not" in text


def test_a_table_near_gemms_rate_need_not_be_faster_than_peers():
    task = definitions.table_task((1000, 10, (20,)), "float64")
    case = definitions.table_name(task)
    target = targets.on_table(task, "JAX", 3)
    assert target.limit == "at least 3, or 70% of gemm's rate"
    # Three products of two layers, and what is needed: without the errors of ten inputs.
    assert task.flops == 1000 * (6 * (200 + 20) - 2 * 200)
    floor = task.flops / (6 * 1000 * 220)  # of a second, if the three products take one

    def verdict(own):
        return target.verdict({case: {"mlpcore": own, "JAX": 2 * own, "dense floor": floor}})

    assert verdict(1.25) == ("2.00, 80% of gemm's rate", True)
    assert verdict(2.0) == ("2.00, 50% of gemm's rate", False)
    assert target.verdict({case: {"mlpcore": 1.0, "JAX": 2.0}}) == ("not measured", None)


def test_operations_of_the_textbooks_epoch():
    assert tasks.Task().flops == 27_106_000_000


def test_command_line_lists_the_contests():
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--list"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert [line.split()[0] for line in run.stdout.splitlines()] == list(definitions.BENCHMARKS)


def test_instructions_are_counted_by_shared_object():
    lines = """\
positions: line
events: Ir
ob=/lib/mlpcore/engine/kernels.so
fl=(1)
fn=step
10 100
+2 20
calls=3 5
12 999
* 4
ob=/lib/libscipy_openblas.so
fn=sgemm
-3 50
"""
    counts = instructions.per_object(lines.splitlines(keepends=True))
    assert counts == {"/lib/mlpcore/engine/kernels.so": 124, "/lib/libscipy_openblas.so": 50}


def test_the_record_has_a_count_of_every_training():
    stored = json.loads(instructions.STORED.read_text())
    assert list(stored["counts"]) == [*instructions.CASES, instructions.TABLE]


def test_instructions_outside_the_band_are_reported():
    stored = {"scipy": "1.17.1", "counts": {"small": {"engine": 1000, "blas": 1000}}}

    def problems(engine, blas, scipy="1.17.1"):
        current = {"scipy": scipy, "counts": {"small": {"engine": engine, "blas": blas}}}
        return instructions.compare(stored, current)

    assert problems(1050, 950) == []
    assert problems(1051, 1000) == ["small, engine: 1,000 stored, 1,051 now (+5.1%)"]
    assert problems(1000, 940) == ["small, blas: 1,000 stored, 940 now (-6.0%)"]
    assert problems(1000, 500, scipy="1.18.0") == []


def test_rounds_wait_for_processors_that_are_near(monkeypatch):
    round_trips = iter([90, 60, 80, 400, 410, 420, 70, 85, 95, 300, 300, 300])
    monkeypatch.setattr(machine, "round_trip", lambda processors: next(round_trips))
    monkeypatch.setattr(machine, "sleep", lambda seconds: None)
    neighbours = machine.Neighbours([0, 1])
    assert neighbours.settle() == 60
    assert neighbours.settle() == 70  # 400 to 420 are too far
    monkeypatch.setattr(machine, "PATIENCE", 0)
    assert neighbours.settle() == 300  # and are returned after half a minute


@pytest.mark.skipif(len(machine.cores(2)) < 2, reason="there is one processor")
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system chooses processors")
def test_a_round_trip_is_measured_and_leaves_nothing_behind():
    allowed, before = os.sched_getaffinity(0), multiprocessing.active_children()
    assert machine.round_trip(machine.cores(2)) > 0
    assert os.sched_getaffinity(0) == allowed
    # Others may have started some before, such as joblib.
    assert set(multiprocessing.active_children()) <= set(before)


def test_waiting_for_a_process_that_has_ended_raises():
    class Ended:
        def is_alive(self):
            return False

    with pytest.raises(RuntimeError, match="has ended"):
        machine.play(memoryview(bytearray(256)), 0, 128, Ended(), 1)
