"""Make one deliberate error in mlpcore at a time, and check that a named test fails.

    python tools/mutants.py [--jobs N] [--json FILE] [WORD ...]

A marker in a comment of the sources, `mutant: NAME`, says where an error is made: in the line that
ends with it; or, where the comment has a line for itself, in the next line, or in all lines up to
the comment `end of mutant`. Moved code takes its marker along. MUTANTS says how the marked lines
change, and which test must fail.

The errors are made in copies of the source tree in a temporary folder, where setup.py compiles what
they affect; that needs the packages of `pip install ".[test]"`. With WORDs, only the mutants whose
names contain one of them are tried. The program fails if a mutant survives, if a named test fails
without any mutant, and if the markers and MUTANTS disagree: a name is missing on one side or is
there twice, or the marked lines don't contain the text to replace, once.
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
SOURCES = {".py", ".pyx", ".pxd", ".h"}
MARKER = re.compile(r" *(?:#|/\*) (?:mutant: (.+?)|end of mutant)(?: \*/)?(?= *\\?$)")
# A test that takes longer counts as hanging.
LONGEST = 120

ALL = "all marked lines"
FIRST = "the marked lines from that one on come first"


class Mutant(NamedTuple):
    name: str  # as in its marker
    old: str  # a text that the marked lines have once, or ALL
    new: str  # the text in its place, or FIRST
    test: str  # in tests/


MUTANTS = [
    # The textbook's update
    Mutant("drop the L2 term", "* l2)", "* 0)",
           "neuralnet/test_textbook.py::test_handwritten_digits"),
    Mutant("penalise the biases", "False", "True",
           "neuralnet/test_textbook.py::test_handwritten_digits"),
    Mutant("forget the bias update", ALL, "if False:",
           "engine/test_trainer.py::test_one_step_worked_by_hand"),
    Mutant("forget the derivative", ALL, "pass",
           "engine/test_trainer.py::test_one_step_worked_by_hand"),
    Mutant("errors with old weights", ALL, "pass",
           "neuralnet/test_textbook.py::test_handwritten_digits"),
    Mutant("errors with updated weights", "dense.update(", FIRST,
           "neuralnet/test_textbook.py::test_layers_that_go_through_blas"),
    Mutant("online errors with updated weights", "for i in range(1, plan.layout.n_layers):", FIRST,
           "engine/test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("transpose a product", 'b"T" if trans_a else b"N"', 'b"N" if trans_a else b"T"',
           "engine/test_blas.py"),
    # Which rows, in which order
    Mutant("skip the last minibatch", "n % batch", "n % batch + batch",
           "neuralnet/test_textbook.py::test_handwritten_digits"),
    Mutant("train on the shorter last minibatch", ALL, "if False:",
           "engine/test_trainer.py::test_a_shorter_last_slice_is_left_out"),
    Mutant("labels of other rows", "batch.order[i]", "i",
           "engine/test_trainer.py::test_rows_are_visited_in_the_order_given"),
    Mutant("shuffle all rows but one", "shuffle(order)", "shuffle(order[1:])",
           "neuralnet/test_textbook.py::test_handwritten_digits"),
    Mutant("skip the last block of rows", "first >=", "first + EVALUATION_ROW_BLOCK >=",
           "engine/test_trainer.py::test_evaluation_counts_every_row_once"),
    # Packed sparse rows
    Mutant("wrong background term", "*= background", "*= 1",
           "engine/test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("wrong background term online", " * plan.rows.background", "",
           "engine/test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("outdated column sums", ALL, "pass",
           "engine/test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("forget half of the features", ALL, "pass",
           "engine/test_sparse_path.py::test_history_is_the_oracles"),
    Mutant("predict with outdated weights", ALL, "pass",
           "engine/test_trainer.py::test_training_renews_what_one_row_is_predicted_with"),
    # Data that are read in pieces
    Mutant("read blocks in the order of the file", "rng.permutation(grid.n_blocks)",
           "np.arange(grid.n_blocks)", "training/test_streams.py::test_order_has_two_levels"),
    Mutant("leave out rows between two buffers", "order[use:]", "order[n:]",
           "training/test_streams.py::test_rows_in_the_order_of_the_file_give_the_bits_of_memory"),
    Mutant("targets of other rows", "given[start:stop]", "given[start:stop][::-1]",
           "training/test_streams.py::test_rows_in_the_order_of_the_file_give_the_bits_of_memory"),
    Mutant("train on a file that changes", "now != signature", "False",
           "training/test_streams.py::test_a_file_that_changes_while_training"),
    Mutant("distort the rows of all buffers alike", "first_row=first_row", "first_row=0",
           "training/test_streams.py::test_rows_in_the_order_of_the_file_give_the_bits_of_memory"),
    # Other rules
    Mutant("uncorrected Adam", ALL, "return rule.learning_rate",
           "engine/test_optimizers.py"),
    Mutant("forget the momentum", "momentum * state[i] + ", "",
           "engine/test_optimizers.py"),
    Mutant("penalise all layers alike", "[number]", "[0]",
           "engine/test_norms.py::test_each_layer_may_have_a_penalty_and_a_decay"),
    Mutant("average the starting weights", "1 / <double> (n + 1)", "0.0",
           "training/test_weight_average.py::test_average_over_steps"),
    Mutant("train on from the average", ALL, "pass",
           "training/test_weight_average.py::test_the_model_has_the_average"),
    Mutant("smooth no labels", "+ rest", "+ 0",
           "training/test_label_smoothing.py::test_the_estimator_learns_the_smoothed_targets"),
    Mutant("distort all epochs alike", "plan.progress.dropout.epoch", "0",
           "engine/test_distortion.py::test_training_sees_the_rows_that_transform_returns"),
    # Threads and signals
    Mutant("leave out a barrier", ALL, "pass",
           "engine/test_exactness.py::test_number_of_threads_changes_no_bit"),
    Mutant("forget a chunk of rows", "+ plan.rule.chunk_rows - 1", "- 1",
           "engine/test_exactness.py::test_gradients_of_chunks_of_rows_are_added_in_pairs"),
    Mutant("ignore signals", ALL, "pass",
           "training/test_interrupt.py::test_signals_are_handled_while_the_engine_computes"),
    Mutant("count threads that did not start", "team->started = 1;",
           "team->started = team->capacity;",
           "engine/test_threads.py::"
           "test_a_process_that_can_start_few_threads_or_none_gives_the_same_bits"),
    Mutant("let threads take signals", "&blocked", "NULL",
           "engine/test_threads.py::test_threads_leave_signals_to_the_callers"),
    Mutant("overlook an outer quota", "(inside, *inside.parents)", "(inside,)",
           "engine/test_threads.py::test_quota_of_a_container"),
    # Shards and ranks
    Mutant("add neighbours that are no pair", " or first % (2 * n)", "",
           "training/test_ranks.py::test_sums_have_the_same_bits_for_any_number_of_ranks"),
    Mutant("drop alike in all processes", "grid.first_row", "0",
           "training/test_ranks.py::test_any_number_of_ranks_gives_the_same_bits"),
    # Files
    Mutant("read objects as numbers", "dtype.kind in _PLAIN_KINDS", "True",
           "files/test_npz.py::test_malformed_file_is_a_value_error_that_names_it"),
    Mutant("trust a length", ALL, "if False:",
           "files/test_npz.py::test_malformed_file_is_a_value_error_that_names_it"),
    Mutant("trust a checksum", ALL, "if False:",
           "training/test_checkpoint_file.py::test_any_byte_changed_is_noticed"),
    Mutant("resume with other random numbers", ALL, "pass",
           "training/test_checkpoint.py::test_a_resumed_run_has_the_bits_of_an_uninterrupted_one"),
    Mutant("leave a file in the cache", ALL, "pass",
           "training/test_checkpoint_file.py::test_each_write_is_on_the_disk_before_it_counts"),
]  # fmt: skip


class Place(NamedTuple):
    path: Path  # relative to the source tree
    lines: list[str]  # of the whole file, the markers taken off
    start: int
    stop: int  # the marked lines are lines[start:stop]


def places(tree):
    """Each marker of the sources: its name, and its place."""
    for path in sorted((tree / "mlpcore").rglob("*")):
        if path.suffix not in SOURCES:
            continue
        lines = path.read_text(encoding="utf-8").split("\n")
        markers = {i: found for i, line in enumerate(lines) if (found := MARKER.search(line))}
        code = [MARKER.sub("", line) for line in lines]
        for i, found in markers.items():
            if found[1]:
                start = i if code[i].strip(" \\") else i + 1
                after = next((j for j in markers if j > i), None)
                ends = after is not None and not markers[after][1]
                yield (
                    found[1],
                    Place(path.relative_to(tree), code, start, after if ends else start + 1),
                )


def mutated(mutant, place):
    """The text of the file with the error; None if the marked lines don't have the text, once."""
    lines = place.lines[place.start : place.stop]
    text = "\n".join(lines)
    if mutant.new == FIRST:
        (first, *more) = [i for i, line in enumerate(lines) if mutant.old in line] or [0]
        new = lines[first:] + lines[:first] if first and not more else lines
    elif mutant.old == ALL:
        new = [text[: len(text) - len(text.lstrip())] + mutant.new]
    else:
        new = [text.replace(mutant.old, mutant.new) if text.count(mutant.old) == 1 else text]
    if "\n".join(new) == text:
        return None
    return "\n".join(place.lines[: place.start] + new + place.lines[place.stop :])


def find_all(tree):
    """For the name of each mutant, its file and the text with the error.

    Raises
    ------
    ValueError
        If markers and entries don't belong together.
    """
    found, problems = {}, []
    for name, place in places(tree):
        if name in found:
            problems.append(f"{place.path}: a second marker {name!r}; {found[name].path} has one")
        found[name] = place
    edits = {}
    for mutant in MUTANTS:
        place = found.pop(mutant.name, None)
        text = place and mutated(mutant, place)
        if place is None:
            problems.append(f"no marker in mlpcore/: {mutant.name!r}")
        elif text is None:
            problems.append(f"{place.path}: {mutant.name!r} does not mark {mutant.old!r}, once")
        else:
            edits[mutant.name] = place.path, text
    problems += [f"{place.path}: no entry for the marker {name!r}" for name, place in found.items()]
    if problems:
        raise ValueError("\n".join(problems))
    return edits


def build(tree):
    # A debug build has no optimisation, which takes most of the time, and checks every index.
    done = subprocess.run(
        [sys.executable, "setup.py", "-q", "build_ext", "--inplace"],
        cwd=tree, env=os.environ | {"MLPCORE_DEBUG": "1"}, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])


def run_tests(tree, tests):
    """How the tests end, None if they pass, and pytest's last lines."""
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


def restore(tree, original):
    """Undo all changes, with the files' times, so that no module is compiled again."""
    for path in original.rglob("*"):
        copy = tree / path.relative_to(original)
        if path.is_file() and copy.stat().st_mtime_ns != path.stat().st_mtime_ns:
            copy.unlink()
            shutil.copy2(path, copy)


def attempt(tree, path, text, test):
    """Make the error, compile it, and run the test; how it ends."""
    (tree / path).write_text(text, encoding="utf-8")
    if path.suffix != ".py":
        build(tree)
    return run_tests(tree, [test])


def try_all(mutants, jobs, work):
    """Yield each mutant with how its test ends."""
    original = work / "original"
    subprocess.run([ROOT / "tools" / "checkout.sh", original], check=True)
    edits = find_all(original)
    build(original)
    how, tail = run_tests(original, sorted({mutant.test for mutant in mutants}))
    if how:
        sys.exit(f"Without any mutant a test {how}:\n{tail}")
    waiting, done = queue.SimpleQueue(), queue.SimpleQueue()
    for mutant in mutants:
        waiting.put(mutant)

    def work_through(tree):
        try:
            while True:
                mutant = waiting.get_nowait()
                ended = attempt(tree, *edits[mutant.name], mutant.test)
                restore(tree, original)
                done.put((mutant, *ended))
        except queue.Empty:
            pass
        except BaseException as error:
            done.put(error)

    for number in range(jobs):
        tree = shutil.copytree(original, work / str(number))
        threading.Thread(target=work_through, args=(tree,), daemon=True).start()
    for _ in mutants:
        result = done.get()
        if isinstance(result, BaseException):
            raise result
        yield result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--jobs", type=int, default=2, help="mutants at a time (2)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.words or any(w in m.name for w in options.words)]
    if not chosen:
        parser.error("no mutant has such a name")
    try:
        find_all(ROOT)
    except ValueError as error:
        sys.exit(str(error))
    records, survivors = [], 0
    with tempfile.TemporaryDirectory(prefix="mlpcore-mutants-") as folder:
        for mutant, how, tail in try_all(chosen, options.jobs, Path(folder).resolve()):
            print(f"{mutant.name}: {mutant.test} {how or 'PASSES'}", flush=True)
            if not how:
                survivors += 1
                print(tail)
            records.append({"mutant": mutant.name, "test": mutant.test, "outcome": how})
    print(f"{len(chosen) - survivors} of {len(chosen)} mutants killed")
    if options.json:
        order = [mutant.name for mutant in chosen]
        records.sort(key=lambda record: order.index(record["mutant"]))
        report = {"python": platform.python_version(), "mutants": records}
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    sys.exit(survivors > 0)


if __name__ == "__main__":
    main()
