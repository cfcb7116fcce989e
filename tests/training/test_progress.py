"""What a fit shows of its progress, where, and that it never gets in the way."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios

import pytest

from mlpcore import NeuralNetMLP, load_digits

X, Y = load_digits()
JOB = """
import sys
from mlpcore import NeuralNetMLP, load_digits
X, y = load_digits()
NeuralNetMLP(5, epochs=3, eta=0.02, minibatch_size=50, seed=1, progress={mode!r}).fit(
    X[:500], y[:500], X[500:], y[500:])
"""
# Cost, training accuracy, validation accuracy.
LINE = r"epoch (\d)/3: cost (\d+\.\d\d), train (\d+\.\d\d)%, valid (\d+\.\d\d)%"


def history():
    nn = NeuralNetMLP(5, epochs=3, eta=0.02, minibatch_size=50, seed=1)
    return nn.fit(X[:500], Y[:500], X[500:], Y[500:]).eval_


def on_a_terminal(mode):
    """What a terminal gets on standard error, and what comes on standard output."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 120, 0, 0))
    try:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", JOB.format(mode=mode)],
            stdout=subprocess.PIPE,
            stderr=theirs,
        )
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # how Linux says that the other side is closed
                break
            if not piece:
                break
            shown += piece
        output, _ = process.communicate()
    finally:
        os.close(ours)
    assert process.returncode == 0, shown.decode()
    return shown.decode(), output.decode()


@pytest.mark.parametrize("mode", ["auto", True])
def test_a_terminal_gets_a_bar(mode):
    shown, output = on_a_terminal(mode)
    assert output == ""
    last = shown.strip().split("\r")[-1]
    cost, train, valid = (figures[-1] for figures in history().values())
    assert "3/3" in last
    assert f"cost={cost:.2f}" in last
    assert f"train={train:.2%}" in last
    assert f"valid={valid:.2%}" in last
    assert shown.count("\n") == 1  # the bar stays on its line


def test_a_terminal_gets_nothing_if_told_so():
    assert on_a_terminal(False) == ("", "")


def in_a_file(mode, tmp_path):
    with open(tmp_path / "log", "w") as log:
        result = subprocess.run(
            [sys.executable, "-W", "error", "-c", JOB.format(mode=mode)],
            stdout=subprocess.PIPE, stderr=log, text=True, check=True,
        )  # fmt: skip
    assert result.stdout == ""
    return (tmp_path / "log").read_text()


@pytest.mark.parametrize("mode", ["auto", False])
def test_a_log_file_gets_nothing_unasked(mode, tmp_path):
    assert in_a_file(mode, tmp_path) == ""


def test_a_log_file_gets_a_line_for_each_epoch_if_asked(tmp_path):
    """Lines and nothing else: no carriage returns, no colours."""
    lines = in_a_file(True, tmp_path).splitlines(keepends=True)
    assert len(lines) == 3
    figures = zip(*history().values(), strict=True)
    for number, (line, (cost, train, valid)) in enumerate(zip(lines, figures, strict=True), 1):
        match = re.fullmatch(LINE + "\n", line)
        assert match, line
        assert int(match[1]) == number
        assert float(match[2]) == pytest.approx(cost, abs=0.005)
        assert float(match[3]) == pytest.approx(100 * train, abs=0.005)
        assert float(match[4]) == pytest.approx(100 * valid, abs=0.005)


def fit(checkpoint=None, **keywords):
    keywords = {"epochs": 3, "minibatch_size": 50, "seed": 1, "progress": True} | keywords
    return NeuralNetMLP(5, **keywords).fit(X, Y, checkpoint=checkpoint)


def test_without_validation_data_a_line_has_no_validation_accuracy(capsys):
    fit()
    captured = capsys.readouterr()
    assert captured.out == ""
    for number, line in enumerate(captured.err.splitlines(), 1):
        assert re.fullmatch(rf"epoch {number}/3: cost \d+\.\d\d, train \d+\.\d\d%", line)


def test_epochs_without_figures(capsys):
    fit(eval_every=2)
    first, second, third = captured_lines(capsys)
    assert first == "epoch 1/3"
    assert re.fullmatch(r"epoch 2/3: cost \d+\.\d\d, train \d+\.\d\d%", second)
    assert re.fullmatch(r"epoch 3/3: cost \d+\.\d\d, train \d+\.\d\d%", third)


def captured_lines(capsys):
    return capsys.readouterr().err.splitlines()


def test_an_early_end_is_shown_as_it_is(capsys):
    fit(callback=lambda epoch, history: epoch == 2)
    assert [line[:9] for line in captured_lines(capsys)] == ["epoch 1/3", "epoch 2/3"]


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_without_tqdm_gets_lines_if_asked(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit()
    assert len(sys.stderr.getvalue().splitlines()) == 3
    monkeypatch.setattr(sys, "stderr", Terminal())
    fit(progress="auto")
    assert sys.stderr.getvalue() == ""


def test_the_bar_is_closed_when_training_fails(monkeypatch):
    def fail(epoch, history):
        raise RuntimeError("enough")

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with pytest.raises(RuntimeError, match="enough"):
        fit(callback=fail)
    assert "1/3" in terminal.getvalue()
    assert terminal.getvalue().endswith("\n")


@pytest.mark.parametrize("mode", ["auto", True, False])
def test_no_standard_error_at_all(mode, monkeypatch):
    """As under pythonw, or where a service closed it."""
    monkeypatch.setattr(sys, "stderr", None)
    assert fit(progress=mode).n_iter_ == 3
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr(sys, "stderr", closed)
    assert fit(progress=mode).n_iter_ == 3


def test_progress_changes_no_result(capsys):
    assert fit(progress=True).eval_ == fit(progress=False).eval_


@pytest.mark.parametrize("module", ["auto", "std"])
def test_notebooks_get_a_bar(module, monkeypatch):
    """There, standard error is no terminal, but a kernel is running."""
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    monkeypatch.setitem(sys.modules, "ipywidgets", sys if module == "auto" else None)
    bars = []

    class Bar:
        def __init__(self, *, total, initial, unit):
            self.state = [total, unit, initial, None, False]
            bars.append(self)

        def set_postfix(self, figures, refresh):
            self.state[3] = dict(figures)

        def update(self):
            self.state[2] += 1

        def close(self):
            self.state[4] = True

    import tqdm.auto

    monkeypatch.setattr(tqdm.auto if module == "auto" else tqdm, "tqdm", Bar)
    nn = fit(progress="auto")
    (bar,) = bars
    figures = {"cost": f"{nn.eval_['cost'][-1]:.2f}", "train": f"{nn.eval_['train_acc'][-1]:.2%}"}
    assert bar.state == [3, "epoch", 3, figures, True]
    # What a checkpoint has already is there from the beginning.
    fit(progress="auto", checkpoint="run.ckpt")
    fit(progress="auto", checkpoint="run.ckpt", epochs=5)
    assert bars[2].state[:3] == [5, "epoch", 5]


@pytest.mark.parametrize("action", ["always", "error"])
def test_notebooks_without_ipywidgets_get_a_bar_and_no_warning(action):
    """tqdm.auto warns there, and once only, so that this needs another process.

    It looks for a kernel in IPython's configuration or, in newer versions, for ipykernel.zmqshell.
    """
    kernel = f"""
import sys, types, warnings
warnings.simplefilter({action!r})
shell = types.SimpleNamespace(config={{"IPKernelApp": {{}}}})
sys.modules["ipykernel"] = types.ModuleType("ipykernel")
sys.modules["ipykernel.zmqshell"] = types.ModuleType("ipykernel.zmqshell")
sys.modules["IPython"] = types.ModuleType("IPython")
sys.modules["IPython"].get_ipython = lambda: shell
sys.modules["ipywidgets"] = None
"""
    done = subprocess.run(
        [sys.executable, "-c", kernel + JOB.format(mode="auto")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == ""
    assert "Warning" not in done.stderr
    assert "3/3" in done.stderr.strip().split("\r")[-1]


@pytest.mark.parametrize("n_jobs", [None, 1, 2])
def test_one_of_many_fits_shows_a_bar_only_if_asked(n_jobs, monkeypatch):
    """With n_jobs=None, scikit-learn fits each fold in the caller's process and thread."""
    joblib = pytest.importorskip("joblib", reason="joblib is not installed")
    selection = pytest.importorskip("sklearn.model_selection", reason="needs scikit-learn")
    nn = NeuralNetMLP(5, epochs=2, minibatch_size=50, seed=1)
    shown = {}
    for mode in ("auto", True):
        monkeypatch.setattr(sys, "stderr", Terminal())
        with joblib.parallel_config("threading"):
            selection.cross_val_score(nn.set_params(progress=mode), X, Y, cv=3, n_jobs=n_jobs)
        shown[mode] = sys.stderr.getvalue()
    assert shown["auto"] == ""
    assert shown[True].count(" 0/2 ") == 3

    # The fit after a search is one, and GridSearchCV makes it itself.
    monkeypatch.setattr(sys, "stderr", Terminal())
    search = selection.GridSearchCV(
        nn.set_params(progress="auto"), {"eta": [0.02, 0.01]}, cv=2, n_jobs=n_jobs
    )
    with joblib.parallel_config("threading"):
        search.fit(X, Y)
    assert sys.stderr.getvalue().count(" 0/2 ") == 1
