"""The code blocks of README.md run: here, or in .ci/run where they set up an environment."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^(?:<!-- ci: (\S+) -->\n)?```(\S*)\n(.*?)^```$", re.M | re.S)
# Section: its blocks, each with the name that .ci/run knows it by, its language and its text.
SECTIONS = {
    section.splitlines()[0]: blocks
    for section in re.split(r"^## ", README, flags=re.M)
    if (blocks := BLOCK.findall(section))
}
HERE = {
    title: code
    for title, blocks in SECTIONS.items()
    if (code := [(language, text) for ci, language, text in blocks if not ci])
}


def test_every_block_is_of_a_kind_that_something_runs():
    blocks = [block for section in SECTIONS.values() for block in section]
    assert 2 * len(blocks) == len(re.findall(r"^\s*(```|~~~)", README, re.M))
    # .ci/run stops if the names that it finds in README.md are not just these.
    assert [ci for ci, _, _ in blocks if ci] == ["main-job", "tests", "wheel"]
    assert {language for ci, language, _ in blocks if ci} == {"sh"}
    assert {language for ci, language, _ in blocks if not ci} == {"python", "cython", "sh"}


@pytest.mark.parametrize("title", HERE)
def test_blocks_of_a_section_run_one_after_another(title, run_python, tmp_path):
    """In an empty folder; a block of Cython is a file whose name is in its first line."""
    if any("fetch_mnist" in code for _, code in HERE[title]) and not os.environ.get("MLPCORE_DATA"):
        pytest.skip("MLPCORE_DATA does not name a folder with MNIST")
    for language, code in HERE[title]:
        if language == "cython":
            (tmp_path / code.split()[1]).write_text(code, encoding="utf-8")
        elif language == "sh":
            run_sh(code, tmp_path)
        else:
            run_python(code, MPLBACKEND="agg")


def run_sh(code, folder):
    """Run commands as in the activated environment of this interpreter."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    # A sanitizer that is loaded before the interpreter is no business of the compiler's, which is
    # three times as fast if it does not optimise.
    env = {key: value for key, value in os.environ.items() if key != "LD_PRELOAD"}
    env |= {"PATH": path, "CFLAGS": "-O0"}
    done = subprocess.run(
        ["sh", "-ec", code], cwd=folder, env=env, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(not (ROOT / "mlpcore").exists(), reason="links point into the source tree")
@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_lead_somewhere(name):
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text(encoding="utf-8"))
    assert links
    for link in links:
        assert link.startswith("https://") or (ROOT / link.partition("#")[0]).exists(), link
