"""Sphinx's settings: `sphinx-build -W docs build/html`, with the extra docs.

The pages are Markdown that is readable on GitHub, too. Some are stubs for documents elsewhere in
the repository, whose text takes their place here.
"""

import os
import re
import shutil
from pathlib import Path

import numpy as np

import mlpcore

DOCS = Path(__file__).parent
ROOT = DOCS.parent

project = "mlpcore"
author = copyright = "The mlpcore developers"
version = release = mlpcore.__version__
html_title = f"mlpcore {version}"
html_last_updated_fmt = None

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "numpydoc",
    "myst_nb",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
]
exclude_patterns = ["gallery/*.ipynb", "gallery/*.py", "_made/*.html"]
templates_path = ["_templates"]
# Single backticks in docstrings are names, which become links where they are of this package.
default_role = "py:obj"
suppress_warnings = ["config.cache"]

# The API

autosummary_generate = True
autodoc_typehints = "none"  # docstrings have the types
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# The checks of what a docstring must have. Not asked for are "See Also", examples and an extended
# summary for each function, and a description where a parameter's type says all (X in predict).
numpydoc_validation_checks = {
    *("GL01", "GL03", "GL05", "GL06", "GL07", "GL08", "GL09", "GL10"),
    *("SS01", "SS02", "SS03", "SS04"),
    *("PR01", "PR02", "PR03", "PR05", "RT01", "YD01"),
}
numpydoc_validation_overrides = {"SS02": [r"^\s*scikit-learn's"]}  # a name
numpydoc_validation_exclude = {
    r"^mlpcore\.engine\.",  # signatures of compiled classes are in their stubs alone
    r"\.LiveCurves\.(setup|on_fit_task_begin|on_fit_task_end|teardown)$",  # scikit-learn calls them
}

# Markdown, and the notebook with the outputs that are stored in it

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
nb_execution_mode = "off"

# The gallery

sphinx_gallery_conf = {
    "examples_dirs": str(ROOT / "examples" / "gallery"),
    "gallery_dirs": "gallery",
    "filename_pattern": r"plot_",
    "abort_on_example_error": True,
    "show_memory": False,
    "min_reported_time": 3600,
    "remove_config_comments": True,
    "download_all_examples": False,
    "within_subsection_order": "FileNameSortKey",
    "capture_repr": (),
    "default_thumb_file": str(DOCS / "images" / "train_mnist.png"),
    "write_computation_times": False,
}
os.environ["MPLBACKEND"] = "agg"

# HTML

html_theme = "pydata_sphinx_theme"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_extra_path = ["_made/draw_a_digit.html"]
html_show_sourcelink = False
html_copy_source = False
html_sidebars = {"index": [], "draw": [], "changelog": []}
html_theme_options = {
    "navbar_align": "left",
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 6,
    "logo": {"text": "mlpcore"},
    "pygments_light_style": "tango",
}

# Pages whose text is that of a document outside of this folder.
ELSEWHERE = {
    "changelog": "CHANGELOG.md",
    "contributing": "CONTRIBUTING.md",
    "security": "SECURITY.md",
}


def take_from_elsewhere(app, docname, source):
    """Replace a stub by its document, and links out of this folder by what is there on the site."""
    base = DOCS / docname
    text = source[0]
    if docname in ELSEWHERE:
        base = ROOT / ELSEWHERE[docname]
        text = base.read_text(encoding="utf-8")
    if base.suffix == ".md" or (DOCS / f"{docname}.md").is_file():
        source[0] = re.sub(r"\[([^]]*)\]\(([^)#\s]+)(#[^)]*)?\)", Links(base.parent, docname), text)


class Links:
    """Replaces a link to a file of the repository: by one to its page, or else by its text."""

    def __init__(self, folder, docname):
        self.folder, self.page = folder, DOCS / docname

    def __call__(self, match):
        text, target, anchor = match[1], match[2], match[3] or ""
        if re.match(r"[a-z]+:", target):
            return match[0]
        path = (self.folder / target).resolve()
        for name, document in ELSEWHERE.items():
            if path == ROOT / document:
                path = DOCS / f"{name}.md"
        if path == NOTEBOOK:
            path = DOCS / NOTEBOOK.name
        if path.is_relative_to(DOCS):
            return f"[{text}]({os.path.relpath(path, self.page.parent)}{anchor})"
        return text


NOTEBOOK = ROOT / "examples" / "classifying_handwritten_digits.ipynb"


def make_files(app, config):
    """Copy the notebook, and train the network of the page to draw on, which it shows, too."""
    folder = DOCS / "_made"
    folder.mkdir(exist_ok=True)
    shutil.copy(NOTEBOOK, DOCS)
    page = folder / "draw_a_digit.html"
    if not page.exists():
        train().to_html(page)


def train():
    """A network of MNIST, or where that is not here of the small digits, that saw distorted copies
    of them: these are more like what people draw with a mouse."""
    if os.environ.get("MLPCORE_DATA"):
        X, y = mlpcore.load_mnist(os.environ["MLPCORE_DATA"], kind="train", scale=False)
        distortion = mlpcore.Distortion(
            rotation=12, scale=0.15, shear=10, translation=1.5, elastic=1.2, thickness=0.7
        )
        options = {"n_hidden": 100, "epochs": 15, "minibatch_size": 64, "input_scale": (1 / 255, 0)}
    else:
        X, y = mlpcore.load_digits(dtype=np.float32)
        distortion = mlpcore.Distortion(
            rotation=15, scale=0.2, shear=15, translation=0.7, elastic=0.4, smoothness=2
        )
        options = {"n_hidden": 100, "epochs": 150, "minibatch_size": 20}
    nn = mlpcore.NeuralNetMLP(
        activation="relu",
        optimizer="adam",
        schedule="one_cycle",
        eta=0.005,
        seed=1,
        augment=distortion,
        eval_every=1000,
        **options,
    )
    return nn.fit(X, y)


def as_plain_text(app, what, name, obj, options, lines):
    """Replace references into scikit-learn's documentation, and formulas, which would need a script
    from elsewhere: both are in docstrings that are inherited."""
    lines[:] = [
        re.sub(r":math:`([^`]*)`", r"``\1``", re.sub(r":ref:`([^`<]+?)(?: <[^`]*>)?`", r"\1", line))
        for line in lines
    ]


def setup(app):
    app.connect("config-inited", make_files, priority=100)  # before Sphinx looks for the files
    app.connect("autodoc-process-docstring", as_plain_text)
    app.connect("source-read", take_from_elsewhere)
