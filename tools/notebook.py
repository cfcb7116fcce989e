"""Run the notebook of the examples, and store its outputs and figures in it.

    python tools/notebook.py

needs MNIST, nbclient and ipykernel. The notebook that is committed has the outputs of all 200
epochs; of the progress bar it has the end alone.
"""

import tempfile
from pathlib import Path

import nbclient
import nbformat

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples/classifying_handwritten_digits.ipynb"


def main():
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        nbclient.NotebookClient(notebook, resources={"metadata": {"path": folder}}).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        outputs = cell.get("outputs", [])
        bar = [output for output in outputs if output.get("name") == "stderr"]
        if bar:  # it is drawn anew after each epoch; the last picture stays
            text = "".join(output["text"] for output in bar).strip()
            bar[0]["text"] = text.rpartition("\r")[2] + "\n"
            cell["outputs"] = [output for output in outputs if output not in bar[1:]]
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.validate(notebook)
    nbformat.write(notebook, NOTEBOOK)
    print(f"{NOTEBOOK.name}: {NOTEBOOK.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
