"""The examples, run as users run them: as scripts, from some other folder, mostly offline."""

from __future__ import annotations

import json
import os
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from mlpcore import NeuralNetMLP, load_digits, load_npz, write_idx
from mlpcore.training.checkpoint import read_checkpoint

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
MNIST = os.environ.get("MLPCORE_DATA")
PICTURES = {
    "train_mnist.py": [
        "digits.png",
        "sevens.png",
        "cost.png",
        "accuracy.png",
        "misclassified.png",
        "confusion.png",
        "weights.png",
        "overview.png",
    ],
    "textbook_walkthrough.py": [
        "one_of_each.png",
        "sevens.png",
        "cost.png",
        "accuracy.png",
        "misclassified.png",
    ],
}
needs_mnist = pytest.mark.skipif(not MNIST, reason="MLPCORE_DATA does not name a folder with MNIST")


@pytest.fixture(scope="module")
def offline(tmp_path_factory):
    """Return an environment without MNIST, a cache or a network: nobody listens on port 9."""
    home = tmp_path_factory.mktemp("home")
    environ = {key: value for key, value in os.environ.items() if key != "MLPCORE_DATA"}
    for key in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        environ[key] = "http://127.0.0.1:9"
    for key in ("no_proxy", "NO_PROXY"):
        environ.pop(key, None)
    return environ | {"HOME": str(home), "XDG_CACHE_HOME": str(home / "cache")}


def command(script, *options):
    return [sys.executable, "-W", "error", str(EXAMPLES / script), *map(str, options)]


def run(script, *options, env, cwd):
    return subprocess.run(
        command(script, *options), env=env, cwd=cwd, capture_output=True, text=True, timeout=300
    )


@pytest.fixture
def run_here(offline, monkeypatch, capsys):
    """Return a function that runs a script offline and in this process, which has loaded what takes
    a process of its own seconds to load, and returns its exit status, output and errors."""
    for key in os.environ.keys() - offline.keys():
        monkeypatch.delenv(key)
    for key, value in offline.items():
        monkeypatch.setenv(key, value)

    def run(script, *options):
        monkeypatch.setattr(sys, "argv", [str(EXAMPLES / script), *options])
        with pytest.raises(SystemExit) as ended:
            runpy.run_path(sys.argv[0], run_name="__main__")
        return ended.value.code, *capsys.readouterr()

    return run


def accuracy(kind, text):
    """Return an accuracy that a script has printed, as a fraction."""
    (percent,) = re.findall(rf"{kind} accuracy: (\d+\.\d\d)%", text)
    return float(percent) / 100


def assert_pictures(folder, names):
    """Assert that there are these pictures, of a sensible size and not blank."""
    assert sorted(path.name for path in folder.glob("*.png")) == sorted(names)
    for name in names:
        picture = matplotlib.image.imread(folder / name)[..., :3]
        height, width = picture.shape[:2]
        assert 150 <= height <= 3000, name
        assert 300 <= width <= 3000, name
        assert picture.max() == 1.0, name
        assert picture.min() < 0.3, name


@pytest.fixture(scope="module")
def trained(offline, tmp_path_factory):
    """Run train_mnist.py offline, once for several tests."""
    folder = tmp_path_factory.mktemp("trained")
    return run("train_mnist.py", "--output", "some/where", env=offline, cwd=folder), folder


def test_training_without_a_network_says_so_and_uses_the_digits(trained):
    done, _ = trained
    assert done.returncode == 0, done.stderr
    assert "MNIST is not available: train-images-idx3-ubyte.gz: no mirror" in done.stdout
    assert "Training on the small digits" in done.stdout
    assert "1,397 to train, 200 to validate, 200 to test" in done.stdout
    assert "Traceback" not in done.stderr


def test_training_on_the_digits_beats_a_linear_model(trained):
    # Logistic regression gets 96 to 98 % of such a split; 95 % leaves room for unlucky rows.
    done, _ = trained
    assert 0.95 <= accuracy("Validation", done.stdout) <= 1
    assert 0.95 <= accuracy("Test", done.stdout) <= 1


def test_training_saves_what_it_says(trained):
    done, folder = trained
    (line,) = re.findall(r"^Saved in some/where: (.*)$", done.stdout, re.MULTILINE)
    expected = ["model.npz", "history.npz", "draw_a_digit.html", *PICTURES["train_mnist.py"]]
    assert line.split(", ") == expected
    assert sorted(os.listdir(folder / "some/where")) == sorted(expected)
    assert_pictures(folder / "some/where", PICTURES["train_mnist.py"])


def test_saved_model_and_history_are_those_of_the_run(trained):
    done, folder = trained
    nn = NeuralNetMLP.load(folder / "some/where/model.npz")
    history = load_npz(folder / "some/where/history.npz")
    assert sorted(history) == ["cost", "train_acc", "valid_acc"]
    for name, values in history.items():
        assert values.shape == (200,)
        np.testing.assert_array_equal(values, nn.eval_[name])
    assert history["cost"][-1] < history["cost"][0] / 5
    assert history["valid_acc"][-1] == pytest.approx(accuracy("Validation", done.stdout), abs=5e-5)
    X, y = load_digits()
    assert nn.score(X, y) > 0.97


@pytest.fixture(scope="module")
def with_options(offline, tmp_path_factory):
    """Return a function that runs a script with all its options, once for several tests."""
    options = {
        "train_mnist.py": [
            *("--epochs", 2, "--hidden", 7, "--batch", 50, "--seed", 3),
            *("--dtype", "float64", "--threads", 1),
        ],
        "textbook_walkthrough.py": ["--epochs", 30],
    }
    runs = {}

    def run_once(script):
        if script not in runs:
            folder = tmp_path_factory.mktemp("options")
            output = f"--output=~/out of {script}"
            runs[script] = run(script, output, *options[script], env=offline, cwd=folder), folder
        return *runs[script], Path(offline["HOME"], f"out of {script}")

    return run_once


def test_options_reach_the_network(with_options):
    done, _, output = with_options("train_mnist.py")
    assert done.returncode == 0, done.stderr
    nn = NeuralNetMLP.load(output / "model.npz")
    assert nn.w_h.shape == (64, 7)
    assert nn.w_h.dtype == np.float64
    assert len(nn.eval_["cost"]) == 2
    assert (nn.minibatch_size, nn.seed, nn.n_threads) == (50, 3, 1)


def test_a_folder_without_mnist_is_said_and_left_alone(offline, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    env = offline | {"MLPCORE_DATA": str(empty)}
    done = run("train_mnist.py", "--epochs", 1, "--hidden", 10, env=env, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"Looking for MNIST in {empty}" in done.stdout
    assert "Training on the small digits" in done.stdout
    assert list(empty.iterdir()) == []
    assert (tmp_path / "output/model.npz").is_file()  # where nothing else was said


@pytest.mark.parametrize(
    ("script", "options", "message"),
    [
        ("train_mnist.py", ["--data", "nowhere"], "nowhere"),
        ("train_mnist.py", ["--data", "empty"], "train-images-idx3-ubyte"),
        ("train_mnist.py", ["--data=~/nowhere"], "{home}/nowhere"),
        ("train_mnist.py", ["--output", "file"], "--output must be a folder that can be written"),
        ("train_mnist.py", ["--output", "{forbidden}"], "got {forbidden} ("),
        ("train_mnist.py", ["--epochs", "0"], "--epochs must be at least 1; got 0"),
        ("train_mnist.py", ["--batch", "5000"], "minibatch_size must be at most the number of"),
        ("train_mnist.py", ["--hidden", "0"], "n_hidden"),
        ("train_mnist.py", ["--dtype", "int8"], "invalid choice"),
        ("textbook_walkthrough.py", ["--output", "file"], "--output must be a folder that can be"),
        ("textbook_walkthrough.py", ["--output", "{forbidden}"], "got {forbidden} ("),
        ("textbook_walkthrough.py", ["--epochs", "0"], "--epochs must be at least 1; got 0"),
        ("one_second.py", ["--seeds", "0"], "--seeds must be at least 1; got 0"),
        ("one_second.py", [], "MNIST is not available: train-images-idx3-ubyte.gz: no mirror"),
        ("record.py", ["--epochs", "1"], "--epochs must be at least 2; got 1"),
        ("record.py", ["--minutes", "5"], "invalid choice: 5"),
        ("record.py", [], "record.py: train-images-idx3-ubyte.gz: no mirror"),
        ("record.py", ["--quick"], "record.py: train-images-idx3-ubyte.gz: no mirror"),
        ("record.py", ["--data", "nowhere"], "nowhere"),
        ("record.py", ["--output", "file"], "--output must be a folder that can be written"),
        ("record.py", ["--output", "{forbidden}"], "got {forbidden} ("),
        (
            "small_digits.py",
            ["--splits", "0"],
            "--splits must be at least 1, --epochs 3; got 0, 300",
        ),
        ("switch_from_sklearn.py", ["--epochs", "0"], "--epochs must be at least 1; got 0"),
        ("switch_from_sklearn.py", ["--mnist"], "MNIST is not available: train-images-idx3"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(script, options, message, run_here, tmp_path):
    if script == "switch_from_sklearn.py":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    names = {"home": os.environ["HOME"], "forbidden": forbidden(tmp_path)}
    status, out, errors = run_here(script, *(option.format(**names) for option in options))
    assert status == 2
    assert message.format(**names) in errors
    assert "Traceback" not in errors
    assert "accuracy" not in out
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"file"}


def forbidden(folder):
    """Return a folder in which no file can be made, by root neither, if the system has one."""
    if Path("/proc").is_dir():
        return "/proc"
    read_only = folder / "read-only"
    read_only.mkdir()
    read_only.chmod(0o555)
    return str(read_only)


@pytest.mark.parametrize("script", ["train_mnist.py", "textbook_walkthrough.py"])
def test_output_may_be_given_by_a_tilde(script, with_options):
    """In --output=~/name, the shell leaves it to the program."""
    done, folder, output = with_options(script)
    assert done.returncode == 0, done.stderr
    assert_pictures(output, PICTURES[script])
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("script", [path.name for path in sorted(EXAMPLES.glob("*.py"))])
def test_help_names_the_options(script, run_here):
    if script == "switch_from_sklearn.py":
        pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    status, out, _ = run_here(script, "--help")
    assert status == 0
    source = (EXAMPLES / script).read_text(encoding="utf-8")
    options = set(re.findall(r'(?:option|add_argument)\("(--\w+)"', source))
    assert options
    assert options <= set(re.findall(r"--\w+", out))
    # The docstring's own calls use options that there are.
    assert set(re.findall(r"--\w+", source.split('"""')[1])) <= options | {"--help"}


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT, as a POSIX terminal does")
def test_ctrl_c_saves_what_was_learned(offline, tmp_path):
    process = subprocess.Popen(
        command("train_mnist.py", "--epochs", 1_000_000, "--hidden", 10),
        env=offline,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A job started in the background may inherit that it ignores Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        for line in process.stdout:
            if line.startswith("Training:"):
                break
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    (epochs,) = map(int, re.findall(r"Stopped after (\d+) epochs", rest))
    assert 1 <= epochs < 1_000_000
    assert accuracy("Test", rest) > 0.5
    assert load_npz(tmp_path / "output/history.npz")["cost"].shape == (epochs,)
    assert len(NeuralNetMLP.load(tmp_path / "output/model.npz").eval_["cost"]) == epochs


def test_walkthrough_offline(with_options):
    done, _, output = with_options("textbook_walkthrough.py")
    assert done.returncode == 0, done.stderr
    assert [line[:2] for line in done.stdout.splitlines() if line[0] != " "] == [
        f"{step}." for step in range(10)
    ]
    assert "MNIST is not available" in done.stdout
    assert accuracy("Test", done.stdout) >= 0.95  # as for train_mnist.py
    assert_pictures(output, PICTURES["textbook_walkthrough.py"])

    arrays = load_npz(output / "mnist_scaled.npz")
    assert {name: array.shape for name, array in arrays.items()} == {
        "X_train": (1597, 64),
        "y_train": (1597,),
        "X_test": (200, 64),
        "y_test": (200,),
    }
    X, _ = load_digits(dtype=np.float64)
    together = np.concatenate([arrays["X_train"], arrays["X_test"]])
    np.testing.assert_array_equal(np.unique(together, axis=0), np.unique(X, axis=0))


def test_switch_from_scikit_learn(offline, tmp_path):
    """The times are whatever they are; the network is the same."""
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    done = run("switch_from_sklearn.py", "--epochs", 12, env=offline, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    losses = re.findall(r"MLPClassifier .* s   loss (\d+\.\d+)   test accuracy", done.stdout)
    assert len(losses) == 2
    assert float(losses[0]) == pytest.approx(float(losses[1]), abs=2e-6)
    (gap,) = re.findall(r"difference of the loss in 12 epochs: (\S+)", done.stdout)
    assert float(gap) < 1e-4  # in float32
    assert "to_sklearn() gives a sklearn MLPClassifier" in done.stdout
    assert "the same for 100% of the test rows" in done.stdout


def test_distortions_help_with_the_small_digits(offline, tmp_path):
    done = run("small_digits.py", "--splits", 4, "--epochs", 80, env=offline, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    plain, distorted = map(float, re.findall(r"error (\d+\.\d+)%", done.stdout))
    assert distorted < plain < 3


# The record: images of another size than MNIST's, so that a run takes seconds.


@pytest.fixture(scope="module")
def idx_files(tmp_path_factory):
    """A folder with the small digits, without their last column, in MNIST's files."""
    folder = tmp_path_factory.mktemp("idx")
    X, y = load_digits(scale=False)
    images = X.reshape(-1, 8, 8)[:, :, :7]
    for kind, part in (("train", slice(1500)), ("t10k", slice(1500, None))):
        write_idx(folder / f"{kind}-images-idx3-ubyte", np.ascontiguousarray(images[part]))
        write_idx(folder / f"{kind}-labels-idx1-ubyte", y[part].astype(np.uint8))
    return folder


def record(run_here, data, *options, status=0):
    """Run record.py for a few epochs, and return what it printed."""
    ended, out, errors = run_here(
        *("record.py", "--data", str(data), "--output", "out", "--epochs", "4", *options)
    )
    assert ended == status, errors
    return out


def results(name):
    return json.loads(Path("out", name).read_text())


def test_a_record_is_trained_tested_and_drawn(idx_files, run_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = record(run_here, idx_files, "--seeds", "3", "4", "5")
    found = results("record-3.json")
    errors = [run["error"] for run in found["runs"]]
    assert [run["seed"] for run in found["runs"]] == [3, 4, 5]
    assert all(len(run["wrong"]) == round(297 * run["error"]) for run in found["runs"])
    assert max(errors) < 0.25  # of ten digits, after four epochs
    assert found["median error"] == np.median(errors)
    assert f"median of 3: {np.median(errors):.2%}" in out
    assert f"committee: {found['error of a committee']:.2%}" in out
    assert found["recipe"]["hidden"] == [1000, 500]
    assert found["machine"]["threads"] >= 1
    assert [point["epoch"] for point in found["runs"][0]["curve"]] == [1, 2, 3, 4]
    assert "seed 4: epoch 4 of 4, " in out
    assert_pictures(tmp_path / "out", ["record-3-curves.png", "record-3-wrong.png"])


def test_a_record_goes_on_where_it_was(idx_files, run_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record(run_here, idx_files, "--seeds", "3")
    whole, content = results("record-3.json"), read_checkpoint("out/record-3-3.ckpt")
    # What a kill in the fourth epoch leaves: the checkpoint of the third, and its times.
    os.replace("out/record-3-3.ckpt.previous", "out/record-3-3.ckpt")
    out = record(run_here, idx_files, "--seeds", "3")
    assert "epoch 4 of 4" in out
    assert "epoch 3 of 4" not in out
    again = results("record-3.json")
    assert again["runs"][0]["wrong"] == whole["runs"][0]["wrong"]
    assert len(again["runs"][0]["curve"]) == 4
    assert again["runs"][0]["seconds"] > whole["runs"][0]["curve"][2]["seconds"]
    _, arrays = read_checkpoint("out/record-3-3.ckpt")
    assert all(np.array_equal(array, content[1][name]) for name, array in arrays.items())


def test_validation_and_choice_do_not_read_the_test_images(
    idx_files, run_here, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    data = tmp_path / "only training"
    data.mkdir()
    for file in idx_files.glob("train-*"):
        (data / file.name).symlink_to(file)
    out = record(run_here, data, "--seeds", "3", "--validate")
    found = results("record-3-validate.json")
    assert found["held out"]
    assert "of 150)" in out
    assert found["runs"][0]["error"] == found["runs"][0]["curve"][-1]["valid"]
    assert "expected t10k-images" in run_here(
        *("record.py", "--data", str(data), "--output", "out", "--epochs", "2", "--seeds", "3")
    )[2]  # fmt: skip


def test_a_choice_is_repeated_from_its_file(idx_files, run_here, tmp_path, monkeypatch):
    """Every change is tried once, and a change that makes fewer errors is kept."""
    monkeypatch.chdir(tmp_path)
    options = ("--choose", "--seeds", "3", "--epochs", "2")
    out = record(run_here, idx_files, *options)
    counts = [int(count) for count in re.findall(r"^(\d+) errors", out, re.MULTILINE)]
    kept = re.findall(r"^(\d+) errors with .*, kept$", out, re.MULTILINE)
    fewest = counts[0]
    for count in counts[1:-1]:
        assert (str(count) in kept) or count >= fewest
        fewest = min(fewest, count)
    assert counts[-1] == fewest == min(counts)
    before = results("choice-3.json")
    assert len(before) == len(counts) - 1
    assert record(run_here, idx_files, *options).endswith(out[out.rindex(f"{fewest} errors in") :])
    assert results("choice-3.json") == before
    assert sorted(os.listdir("out")) == ["choice-3.json"]


def test_an_ablation_takes_away_one_part_at_a_time(idx_files, run_here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out = record(run_here, idx_files, "--ablate", "--seeds", "3", "4", "--epochs", "2")
    found = results("record-3-ablation.json")
    assert found["images"] == 2 * 150
    whole, *parts = found["runs"]
    assert whole["without"] == "nothing"
    assert whole["change"] == {}
    assert {"dropout", "elastic displacements", "weight decay"} < {run["without"] for run in parts}
    for run in found["runs"]:
        assert f"without {run['without']}: {run['error']:.2%} (" in out
        assert 0 < run["error"] < 0.9
    trials = [json.dumps(run["recipe"]) for run in results("ablation-3.json").values()]
    assert len(set(trials)) == len(trials) / 2 == len(found["runs"])
    # A second call takes the runs from the file.
    again = record(run_here, idx_files, "--ablate", "--seeds", "3", "4", "--epochs", "2")
    assert again.splitlines() == [line for line in out.splitlines() if "without" in line]


@needs_mnist
@pytest.mark.parametrize(("held_out", "images"), [([], "10,000"), (["--validate"], "5,000")])
def test_one_second_passes_the_textbooks_accuracy(held_out, images, tmp_path):
    """However long it takes here."""
    done = run("one_second.py", *held_out, env=os.environ, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (percent,) = re.findall(rf"seed 1: (\d+\.\d+)% of {images} images", done.stdout)
    assert float(percent) > 97.54


@needs_mnist
def test_training_on_mnist_gives_the_textbooks_numbers(tmp_path):
    done = run(
        *("train_mnist.py", "--data", Path(MNIST).resolve(), "--epochs", 3, "--dtype", "float64"),
        env=os.environ,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "55,000 to train, 5,000 to validate, 10,000 to test" in done.stdout
    assert round(5000 * accuracy("Validation", done.stdout)) == pytest.approx(4635, abs=1)
    history = load_npz(tmp_path / "output/history.npz")
    np.testing.assert_allclose(history["cost"], [66739.7088, 47830.4001, 40336.6388], rtol=1e-8)
    np.testing.assert_allclose(history["train_acc"], [0.845345, 0.883364, 0.896400], atol=2e-5)
    np.testing.assert_allclose(history["valid_acc"], [0.8886, 0.9174, 0.9270], atol=2.1e-4)
    assert_pictures(tmp_path / "output", PICTURES["train_mnist.py"])


@needs_mnist
def test_walkthrough_on_mnist(tmp_path):
    done = run(
        "textbook_walkthrough.py",
        *("--epochs", 2),
        env=os.environ | {"MLPCORE_DATA": str(Path(MNIST).resolve())},
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "60,000 images to learn from and 10,000 to test with" in done.stdout
    assert round(5000 * accuracy("Validation", done.stdout)) == pytest.approx(4587, abs=1)
    assert 0.85 < accuracy("Test", done.stdout) < 0.95
    assert_pictures(tmp_path / "output", PICTURES["textbook_walkthrough.py"])
