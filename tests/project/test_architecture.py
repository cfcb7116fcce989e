"""The architecture page against the code: block sizes, and the files that it links."""

import re
from pathlib import Path

import pytest

import mlpcore.engine

PAGE = Path(__file__).resolve().parents[2] / "docs" / "architecture.md"
if not PAGE.exists():
    pytest.skip("the documents are not part of this tree", allow_module_level=True)
ENGINE = Path(mlpcore.engine.__file__).parent
TEXT = PAGE.read_text("utf-8")


def block_sizes():
    """Name, value and file of each row of the table of block sizes."""
    table = TEXT.partition("## Block sizes")[2].partition("## ")[0]
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[1].startswith("`"):
            yield tuple(cell.strip("`") for cell in (cells[1], cells[2], cells[4]))


def defined(text, name):
    """Return the values that a name is given in a source of Cython or C."""
    return {
        value.strip()
        for value in re.findall(
            rf"(?:^|[\s{{]){name}(?: = |(?<=define {name}) )([^;,}}\n#]+)", text, re.MULTILINE
        )
    }


@pytest.mark.parametrize(("name", "value", "file"), list(block_sizes()))
def test_block_size_is_that_of_the_code(name, value, file):
    path = ENGINE / file
    if not path.exists() and path.suffix == ".pyx":
        pytest.skip("sources of compiled modules are not installed")
    assert value in defined(path.read_text("utf-8"), name)


def test_every_block_size_is_on_the_page():
    listed = {(file, name) for name, _, file in block_sizes()}
    names = set()
    for path in sorted(ENGINE.rglob("*.px[dy]")):
        for name in re.findall(
            r"^(?:    |cdef (?:int|double|Py_ssize_t) |)([A-Z][A-Z_]+) = [\d(]",
            path.read_text("utf-8"),
            re.MULTILINE,
        ):
            names.add((path.relative_to(ENGINE).as_posix(), name))
    assert len(names) > 5
    assert names - listed <= {("network.pyx", "MAX_UNITS"), ("optimizers.pxd", "ACCUMULATE")}


def test_links_lead_to_files():
    links = re.findall(r"\]\((?!http|#)([^)#]+)", TEXT)
    assert len(links) > 10
    missing = []
    for link in links:
        _, inside, rest = link.partition("mlpcore/")
        # Where the package is installed and its sources are not here, they are there.
        installed = inside and (ENGINE.parent / rest).exists()
        if not (PAGE.parent / link).exists() and not installed:
            missing.append(link)
    assert not missing


def test_anchors_lead_to_headings():
    headings = {
        re.sub(r"[^\w\- ]", "", heading).lower().replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    }
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= headings
