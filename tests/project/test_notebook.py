"""The notebook of the examples: what is stored in it, and that it runs with and without MNIST."""

import base64
import io
import os
import re
from pathlib import Path

import matplotlib.image
import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
pytest.importorskip("ipykernel", reason="ipykernel is not installed")

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "classifying_handwritten_digits.ipynb"
MNIST = os.environ.get("MLPCORE_DATA")
FILES = ["t10k-images", "t10k-labels", "train-images", "train-labels"]


class Client(nbclient.NotebookClient):
    """One that counts how often each cell replaces what it has shown."""

    updates: dict

    def process_message(self, msg, cell, cell_index):
        if msg["msg_type"] == "update_display_data":
            self.updates[cell_index] = self.updates.get(cell_index, 0) + 1
        return super().process_message(msg, cell, cell_index)


def texts(cell):
    """What a cell has printed and returned as text."""
    return "".join(
        output.get("text", "") or output.get("data", {}).get("text/plain", "")
        for output in cell.outputs
    )


def pictures(cell):
    return [
        matplotlib.image.imread(io.BytesIO(base64.b64decode(output.data["image/png"])))
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]


def check(notebook, epochs, lowest):
    """Assert what holds for every run, and that accuracies are above some number of percent.

    Returns the index of the cell with the live curves.
    """
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    found = {
        name: [cell for cell in code if name in cell.source]
        for name in ("plot_", "nn.fit(", "LiveCurves()", "to_html", "Test accuracy", "quick.fit")
    }
    for cell in found["plot_"][1:]:  # the first one imports them
        (picture,) = pictures(cell)
        assert picture[..., :3].min() < 0.5
        assert picture[..., :3].max() == 1
        assert min(picture.shape[:2]) > 150
    (bar,) = found["nn.fit("]
    assert f"{epochs}/{epochs}" in texts(bar)
    assert re.search(r"cost=\d+\.\d\d, train=\d\d\.\d\d%, valid=\d\d\.\d\d%", texts(bar))
    (curves,) = found["LiveCurves()"]
    assert len(pictures(curves)) == 1
    (page,) = found["to_html"]
    assert "draw_a_digit.html" in page.outputs[0].data["text/html"]
    for cell in (found["Test accuracy"][0], found["quick.fit"][0], curves):
        (percent,) = re.findall(r"(\d\d\.\d\d)%", texts(cell))
        assert float(percent) >= lowest
    return notebook.cells.index(curves)


def run(folder, epochs):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    (cell,) = [cell for cell in notebook.cells if "EPOCHS = 200" in cell.source]
    cell.source = cell.source.replace("EPOCHS = 200", f"EPOCHS = {epochs}")
    client = Client(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
    client.updates = {}
    client.execute()
    return notebook, client.updates


def test_what_is_stored_is_of_the_whole_run():
    assert NOTEBOOK.stat().st_size < 500_000
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    check(notebook, 200, 97)
    everything = "\n".join(texts(cell) for cell in notebook.cells if cell.cell_type == "code")
    for text in ["Test accuracy: 97.54%", "= 1.30%", "train=99.28%, valid=97.98%", *FILES]:
        assert text in everything
    assert "X_train  (60000, 784)  float32" in everything
    assert not re.search(r"/home|/root|/tmp|/Users", NOTEBOOK.read_text(encoding="utf-8"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_runs_without_mnist(tmp_path, monkeypatch):
    monkeypatch.delenv("MLPCORE_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nobody listens
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    notebook, updates = run(tmp_path, 100)
    index = check(notebook, 100, 90)
    assert "MNIST is not available" in texts(notebook.cells[3])
    assert updates[index] == 9  # ten epochs, of which the first makes the picture
    left = sorted(path.name for path in tmp_path.iterdir())
    assert "draw_a_digit.html" in left
    assert "mnist_scaled.npz" not in left


@pytest.mark.skipif(not MNIST, reason="MLPCORE_DATA does not name a folder with MNIST")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_it_runs_with_mnist(tmp_path):
    notebook, updates = run(tmp_path, 5)
    index = check(notebook, 5, 91)
    assert all(name in texts(notebook.cells[3]) for name in FILES)
    assert updates[index] == 9
