"""Which arrays of labels can be compared: those of which == may find two labels equal."""

import datetime
import decimal
import fractions

import numpy as np
import pytest

from mlpcore._labels import check_same_kind


class Grade:
    """A label that says itself what it equals."""


def objects(*labels):
    return np.array(labels, dtype=object)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1, 2], [1.0, 2.0]),
        ([True, False], [1, 0]),
        ([1], [1 + 0j]),
        ([1], objects(decimal.Decimal(1))),
        ([1], objects(fractions.Fraction(1))),
        (np.array([1], dtype=np.uint8), objects(np.float32(1))),
        ([True], objects(np.bool_(True))),
        (["a"], objects("a", None)),
        (["a"], objects(np.str_("a"))),
        ([b"a"], objects(b"a")),
        (np.array(["2026-01-01"], dtype="M8[D]"), objects(datetime.date(2026, 1, 1))),
        (objects("a", 1), [1, 2]),
        (objects("a", 1), ["a", "b"]),
        (["a"], objects(Grade())),
        ([1], objects(None)),
        ([], ["a"]),
        ([1], objects()),
        ([[1, 2]], 1),
    ],
)
def test_labels_that_can_be_equal(a, b):
    check_same_kind(a, "a", b, "b")
    check_same_kind(b, "b", a, "a")


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        (["1"], np.array([1], dtype=np.int32), r"text \(str\) and classes holds numbers \(int32\)"),
        (["1"], [True], r"text \(str\) and classes holds numbers \(bool\)"),
        (objects("1", "2"), objects(1, 2.0), r"text \(str\) and .* numbers \(float, int\)"),
        ([b"1"], ["1"], r"bytes \(bytes\) and classes holds text \(str\)"),
        (objects("1", 1), [b"1"], r"numbers \(int\) and text \(str\) and .* bytes \(bytes\)"),
        (["2026-01-01"], np.array(["2026-01-01"], "M8[D]"), r"dates \(datetime64\)"),
    ],
)
def test_labels_that_are_never_equal(a, b, said):
    for x in np.ravel(a).tolist():
        for y in np.ravel(b).tolist():
            assert x != y
    with pytest.raises(TypeError, match=rf"y holds .*{said}.*Convert one of them with astype"):
        check_same_kind(a, "y", b, "classes")
    with pytest.raises(TypeError, match=r"classes holds .* and y holds "):
        check_same_kind(b, "classes", a, "y")
