"""Break mlpcore in named ways, one at a time, and see that a named test notices each.

    python tools/mutants.py [--jobs N] [--json FILE] [WORD ...]

Works on copies of the source tree in a temporary folder, where it compiles what an edit touches,
and needs what `pip install ".[test]"` brings. With WORDs, only the breaks whose names contain one
are tried. Fails if a break goes unnoticed, if a named test fails without any break, or if the text
that a break replaces is no longer there: then the break has to follow the code.
"""

import argparse
import json
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
ENGINE = Path("mlpcore", "engine")
# A test that takes longer has been made to hang.
LONGEST = 120


class Mutant(NamedTuple):
    name: str
    file: str  # in mlpcore/
    old: str  # a regular expression that is found exactly once
    new: str
    test: str  # in tests/


STEP, ONLINE = "engine/step.pyx", "engine/online.pyx"
DENSE, SPARSE = "engine/layers/dense.pyx", "engine/layers/sparse.pyx"

MUTANTS = [
    # The textbook's update
    Mutant("drop the L2 term", "engine/simd/optimizers.h",
           r"(#define STEPS .*? decay = \(REAL\)\S+ \* rule->scale\)) \* l2\)", r"\1 * 0)",
           "test_textbook.py::test_handwritten_digits"),
    Mutant("penalise the biases, too", "engine/layers/updates.pyx",
           r"(void update_biases\(.*?&plan\.progress\.update, )False(, theta \+ layer\.b)",
           r"\1True\2",
           "test_textbook.py::test_handwritten_digits"),
    Mutant("forget the bias update", STEP,
           r"if j % plan\.barrier\.size == thread:", "if False:",
           "test_engine.py::test_one_step_worked_by_hand"),
    Mutant("forget the slope of the hidden units", DENSE,
           r"(delta_below, below\.ld\))\s+multiply_by_derivatives\(below, work, batch, .*?\)\n",
           "\\1\n", "test_engine.py::test_one_step_worked_by_hand"),
    Mutant("errors with yesterday's w_out", STEP,
           r"if plan\.rule\.minibatch_size > 1:(\s+_transpose)", r"if False:\1",
           "test_textbook.py::test_handwritten_digits"),
    Mutant("use the updated w_out in the backward pass", "engine/layers/blas.pyx",
           r"(share\(layer\.n_in, piece, .*?while start < end:\n +stop = [^\n]*\n)"
           r"(.*?)( +)(dense\.update\([^)]*\)\n)", r"\1\3\4\2",
           "test_textbook.py::test_layers_that_go_through_blas"),
    Mutant("use the updated w_out in online learning", ONLINE,
           r"(    for i in range\(\S+ - 1, 0, -1\):\n +dense\.backward\([^\n]*\n)"
           r"(    for i in range\(1, \S+\):\n +dense\.update\([^\n]*\n)", r"\2\1",
           "test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("transpose a gemm", "engine/blas.pyx",
           r'op_a = b"T" if trans_a else b"N"', 'op_a = b"N" if trans_a else b"T"',
           "test_blas.py"),
    # Which rows, in which order
    Mutant("skip the last minibatch", "engine/trainer.pyx",
           r"n -= n % batch", "n -= n % batch + batch",
           "test_textbook.py::test_handwritten_digits"),
    Mutant("train on the shorter last slice", "engine/trainer.pyx",
           r"if not self\._keep_last:", "if False:",
           "test_engine.py::test_a_shorter_last_slice_is_left_out"),
    Mutant("the labels of other rows", STEP,
           r"(&plan\.targets, )batch\.order\[i\]", r"\1i",
           "test_engine.py::test_rows_are_visited_in_the_order_given"),
    Mutant("off by one in the shuffle", "_training.py",
           r"shuffle\(order\)", "shuffle(order[1:])",
           "test_textbook.py::test_handwritten_digits"),
    Mutant("evaluate all rows but the last block", "engine/blocks.pyx",
           r"if first >= job\.rows\.n_rows",
           "if first + EVALUATION_ROW_BLOCK >= job.rows.n_rows",
           "test_engine.py::test_evaluation_counts_every_row_once"),
    # The way that skips the background
    Mutant("wrong background share in the gradient", SPARSE,
           r"first\[j\] \*= background", "first[j] *= 1",
           "test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("wrong background share in online learning", ONLINE,
           r"background = <real_t> \(-learning_rate \* plan\.rows\.background\)",
           "background = <real_t> (-learning_rate)",
           "test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("sums of the weights as they were before", SPARSE,
           r"(if background != 0:\s+)sum_blocks\(layer, theta, start, stop, [^\n]*", r"\1pass",
           "test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("a half of the sums lost", SPARSE,
           r"    add\(work [^\n]*\n", "",
           "test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("one row predicted with the weights of the epoch before", "engine/trainer.pyx",
           r"self\.network\.parameters_changed\(\)", "pass",
           "test_engine.py::test_training_renews_what_one_row_is_predicted_with"),
    # Other rules
    Mutant("Adam without its correction for the start", "engine/optimizers.pyx",
           r"return rule\.learning_rate \*[^\n]*", "return rule.learning_rate",
           "test_optimizers.py"),
    Mutant("momentum that forgets", "engine/simd/optimizers.h",
           r"state\[i\] = kept \* state\[i\] \+ STEP\(i\);", "state[i] = STEP(i);",
           "test_optimizers.py"),
    # Threads and signals
    Mutant("a missing barrier", STEP,
           r"barrier_wait\(plan\.barrier, thread\)(\s+# Phase 2)", r"\1",
           "test_exactness.py::test_number_of_threads_changes_no_bit"),
    Mutant("no look for signals", "engine/trainer.pyx",
           r"PyErr_CheckSignals\(\)", "pass",
           "test_interrupt.py::test_signals_are_handled_while_the_engine_computes"),
    # Files
    Mutant("objects are taken for numbers", "_files.py",
           r"return dtype\.kind in _PLAIN_KINDS and", "return True and",
           "test_npz.py::test_malformed_file_is_a_value_error_that_names_it"),
    Mutant("a length is believed", "_files.py",
           r"if head\.tell\(\) \+ n_bytes != member\.file_size", "if False",
           "test_npz.py::test_malformed_file_is_a_value_error_that_names_it"),
    Mutant("a checksum is not looked at", "_checkpoint.py",
           r"if left != 0 or file\.read\(_CHECKSUM \+ 1\) != digest\.digest\(\)", "if False",
           "test_checkpoint.py::test_any_byte_changed_is_noticed"),
    Mutant("a run resumes with new random numbers", "_training.py",
           r"unpack_random\(self\._rng, .*?\)\)\n", "pass\n",
           "test_checkpoint.py::test_a_resumed_run_has_the_bits_of_an_uninterrupted_one"),
    Mutant("a file counts before it is on the disk", "_files.py",
           r"os\.fsync\(file\.fileno\(\)\)", "pass",
           "test_checkpoint.py::test_each_write_is_on_the_disk_before_it_counts"),
]  # fmt: skip


def apply(mutant, text):
    """The broken text."""
    broken, count = re.subn(mutant.old, mutant.new, text, flags=re.S)
    if count != 1 or broken == text:
        sys.exit(
            f"{mutant.name}: mlpcore/{mutant.file} has the text to replace {count} times. Let the "
            "break follow the code."
        )
    return broken


def copy_tree(target):
    """What git knows of the working tree."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)


def build_all(tree):
    """Build everything, and let later builds compile only what is asked for."""
    build(tree)
    setup = tree / "setup.py"
    text, count = re.subn(r"depends=\[[^\]]*\]", "depends=[]", setup.read_text())
    if count != 1:
        sys.exit("setup.py: no list of headers under `depends` any more.")
    setup.write_text(text)


def build(tree):
    # Without optimisation, which takes most of the time; and with the checks of every index.
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tree, env=os.environ | {"MLPCORE_DEBUG": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])


def run_tests(tree, tests):
    """How the tests end: None if they pass, or in a word what happened, and pytest's last lines."""
    environment = {key: value for key, value in os.environ.items() if key != "MLPCORE_DATA"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider",
             *(f"tests/{test}" for test in tests)],
            cwd=tree, env=environment | {"PYTHONPATH": str(tree)}, capture_output=True,
            text=True, errors="replace", timeout=LONGEST,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return "hangs", ""
    tail = "\n".join(done.stdout.splitlines()[-15:])
    if done.returncode in (0, 1):
        return "fails" if done.returncode else None, tail
    if done.returncode < 0 or done.returncode > 128:
        return "crashes", tail
    sys.exit(f"pytest {' '.join(tests)}: exit status {done.returncode}\n{tail}{done.stderr}")


def modules(tree, file):
    """The compiled modules that have to be built again for an edit."""
    source = tree / "mlpcore" / file
    if source.suffix == ".pyx":
        return [source]
    if source.suffix == ".h":
        header = f'extern from "simd/{source.name}"'
        return [path for path in (tree / ENGINE).rglob("*.pyx") if header in path.read_text()]
    return []


def attempt(tree, mutant):
    """Break, build, test, and repair; how the test ends."""
    source = tree / "mlpcore" / mutant.file
    touched = modules(tree, mutant.file)
    files = {source, *touched}
    if source.suffix == ".h":
        files |= {tree / "build" / "cython" / ENGINE / "simd" / source.name}
    for path in touched:
        files |= {tree / "build" / "cython" / path.relative_to(tree).with_suffix(".c")}
        files |= set(path.parent.glob(f"{path.stem}.*.so"))
    kept = tree.with_suffix(".kept")
    kept.mkdir()
    for path in files:
        (kept / path.relative_to(tree)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, kept / path.relative_to(tree))
    text = source.read_text()
    try:
        source.write_text(apply(mutant, text))
        if touched:
            for path in touched:
                path.touch()
            build(tree)
        return run_tests(tree, [mutant.test])
    finally:
        # With the times that they had, so that nothing is compiled again.
        for path in files:
            path.unlink()
            shutil.copy2(kept / path.relative_to(tree), path)
        shutil.rmtree(kept)


def try_all(mutants, jobs, work):
    """Yield each mutant with how its test ends."""
    first = work / "0"
    first.mkdir()
    copy_tree(first)
    for mutant in mutants:
        apply(mutant, (first / "mlpcore" / mutant.file).read_text())
    build_all(first)
    how, tail = run_tests(first, sorted({mutant.test for mutant in mutants}))
    if how:
        sys.exit(f"Without any break a test {how}:\n{tail}")
    trees = [first]
    for number in range(1, jobs):
        trees.append(shutil.copytree(first, work / str(number)))
    waiting, done = queue.SimpleQueue(), queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)

    def work_through(tree):
        try:
            while True:
                mutant = waiting.get_nowait()
                done.put((mutant, *attempt(tree, mutant)))
        except queue.Empty:
            pass
        except BaseException as error:
            done.put(error)

    for tree in trees:
        threading.Thread(target=work_through, args=(tree,), daemon=True).start()
    for _ in mutants:
        result = done.get()
        if isinstance(result, BaseException):
            raise result
        yield result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--jobs", type=int, default=2, help="breaks at a time (2)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.words or any(w in m.name for w in options.words)]
    if not chosen:
        parser.error("no break has such a name")
    records, missed = [], 0
    with tempfile.TemporaryDirectory(prefix="mlpcore-mutants-") as folder:
        for mutant, how, tail in try_all(chosen, options.jobs, Path(folder).resolve()):
            print(f"{mutant.name}: {mutant.test} {how or 'PASSES'}", flush=True)
            if not how:
                missed += 1
                print(tail)
            records.append({"break": mutant.name, "test": mutant.test, "outcome": how})
    print(f"{len(chosen) - missed} of {len(chosen)} breaks noticed")
    if options.json:
        order = [mutant.name for mutant in chosen]
        records.sort(key=lambda record: order.index(record["break"]))
        report = {"python": platform.python_version(), "breaks": records}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(missed > 0)


if __name__ == "__main__":
    main()
