"""IDX files: what is read, what is refused and at what cost, and what is written."""

import gzip
import os
import struct
import subprocess
import sys
import tracemalloc
import zlib

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlpcore.datasets import IDXError, _idx, read_idx, write_idx

MIB = 1 << 20

# Type code, struct format of one element, values at the ends of its range: from the
# description of the format on the MNIST page.
ELEMENTS = [
    (0x08, "B", np.uint8, [0, 1, 255]),
    (0x09, "b", np.int8, [-128, 127, -1]),
    (0x0B, "h", np.int16, [-32768, 32767, 258]),
    (0x0C, "i", np.int32, [-(2**31), 2**31 - 1, 16909060]),
    (0x0D, "f", np.float32, [-0.0, 1.5, float("inf")]),
    (0x0E, "d", np.float64, [0.1, -1e308, 5e-324]),
]

LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4])
IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3, 0, 128, 255, 1, 2, 3])


def idx_header(code, *shape):
    return bytes([0, 0, code, len(shape)]) + struct.pack(f">{len(shape)}I", *shape)


def zeros_packed(n_bytes, start=b""):
    """Gzip data of `start` and `n_bytes` zeros, made without holding them."""
    packer = zlib.compressobj(1, wbits=31)
    pieces = [packer.compress(start)]
    pieces += [packer.compress(bytes(MIB)) for _ in range(n_bytes // MIB)]
    return b"".join([*pieces, packer.compress(bytes(n_bytes % MIB)), packer.flush()])


@pytest.fixture
def file(tmp_path):
    """Return a function that writes bytes into a file and returns its path."""

    def write(data, name="some.idx"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


@pytest.fixture
def peak():
    """Return a function that calls another and returns the most memory it held, in bytes."""

    def measure(function, *args):
        tracemalloc.start()
        try:
            function(*args)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    return measure


# Reading


@pytest.mark.parametrize(("code", "letter", "dtype", "values"), ELEMENTS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_reads_every_type(file, code, letter, dtype, values, pack):
    data = idx_header(code, 3) + struct.pack(f">3{letter}", *values)
    array = read_idx(file(pack(data)))
    assert array.dtype == dtype
    assert array.dtype.isnative
    assert array.tobytes() == np.array(values, dtype).tobytes()
    assert array.flags.c_contiguous
    assert array.flags.writeable


def test_reads_labels_and_images(file):
    np.testing.assert_array_equal(read_idx(file(LABELS)), [5, 0, 4])
    np.testing.assert_array_equal(read_idx(file(IMAGES)), [[[0, 128, 255]], [[1, 2, 3]]])


def test_reads_a_table_of_integers(file):
    # QMNIST keeps eight 32-bit integers per digit: "idx2-int", magic number 3074.
    rows = [[5, 0, 1, 2, 3, 4, 5, 70000], [0, 1, 2, 3, 4, 5, 6, -1]]
    data = struct.pack(">III16i", 3074, 2, 8, *rows[0], *rows[1])
    np.testing.assert_array_equal(read_idx(file(data, "qmnist-labels-idx2-int")), rows)


@pytest.mark.parametrize("shape", [(0,), (0, 28, 28), (3, 0), (1,) * 32])
def test_reads_odd_shapes(file, shape):
    array = read_idx(file(idx_header(0x08, *shape) + bytes(np.prod(shape))))
    assert array.shape == shape


def test_names_do_not_matter(file):
    np.testing.assert_array_equal(read_idx(file(LABELS, "plain.gz")), [5, 0, 4])
    np.testing.assert_array_equal(read_idx(file(gzip.compress(LABELS), "packed")), [5, 0, 4])


def test_path_may_be_str_bytes_or_pathlike(file):
    path = file(LABELS)
    for same in (path, str(path), os.fsencode(path)):
        np.testing.assert_array_equal(read_idx(same), [5, 0, 4])
    with pytest.raises(TypeError):
        read_idx(0)


def test_reads_concatenated_gzip_members(file):
    # gzip -c a b > c.gz; the file format allows it (RFC 1952, section 2.2).
    members = [gzip.compress(LABELS[i : i + 1]) for i in range(len(LABELS))]
    np.testing.assert_array_equal(read_idx(file(b"".join(members))), [5, 0, 4])


def test_reads_a_large_gzip_file_in_two_passes(file, monkeypatch):
    monkeypatch.setattr(_idx, "_ONE_PASS", 1000)
    values = np.random.RandomState(0).randint(0, 256, MIB).astype(np.uint8)
    data = idx_header(0x08, MIB) + values.tobytes()
    np.testing.assert_array_equal(read_idx(file(gzip.compress(data, 1))), values)


def test_reading_holds_little_more_than_the_array(file, peak):
    data = idx_header(0x08, 20, MIB) + bytes(20 * MIB)
    for content in (data, gzip.compress(data, 1)):
        assert peak(read_idx, file(content)) < 22 * MIB


# Refusing: (content, telling part of the message)

MALFORMED = {
    "empty": (b"", "no bytes at all"),
    "empty gzip": (gzip.compress(b""), "no bytes at all"),
    "one byte": (b"\0", "header of 4 bytes; the file ends after 1"),
    "magic only": (IMAGES[:4], "header of 16 bytes; the file ends after 4"),
    "half a header": (IMAGES[:9], "header of 16 bytes; the file ends after 9"),
    "header only": (IMAGES[:16], r"expected uint8 of shape \(2, 1, 3\), 22 bytes .* has 16 bytes"),
    "one byte short": (IMAGES[:-1], "has 21 bytes"),
    "one byte more": (IMAGES + b"\0", "has 23 bytes"),
    "line end appended": (LABELS + b"\r\n", "has 13 bytes"),
    "unknown type": (b"\0\0\x0a\1\0\0\0\0", "type code .*; got 0x0a"),
    "no dimensions": (b"\0\0\x08\0\x05", "one or more dimensions; got 0"),
    "too many dimensions": (idx_header(0x08, *[1] * 200) + b"\0", "NumPy can hold; got 200"),
    "overflow": (idx_header(0x0E, *[2**32 - 1] * 255), "the file has 1024 bytes"),
    "overflow to zero": (idx_header(0x08, 2**16, 2**16, 2**16, 2**16) + b"\0", "has 21 bytes"),
    "overflow beside zero": (idx_header(0x08, *[2**32 - 1] * 3, 0), "NumPy can hold"),
    "little-endian": (b"\0\0\x08\1\3\0\0\0\5\0\4", r"shape \(50331648,\)"),
    "magic little-endian": (b"\1\x08\0\0\0\0\0\3\5\0\4", "got bytes 01 08 00 00"),
    "html": (b"\n <!DOCTYPE html>\n<html>", "got a web page"),
    "html with a mark": (b"\xef\xbb\xbf<html>", "got a web page"),
    "html, packed": (gzip.compress(b"<html>"), "got a web page"),
    "xml": (b'<?xml version="1.0"?><Error>AccessDenied</Error>', "got a web page"),
    "text": (b"\xef\xbb\xbfNot found\n", "text that begins 'Not found'"),
    "json": (b'{"message": "Not Found"}', "text that begins"),
    "blank": (b" \n", "got bytes 20 0a"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\noid", "Git LFS pointer"),
    "zip or npz": (b"PK\3\4\x14\0\0\0", "a zip archive.*load_npz"),
    "npy": (b"\x93NUMPY\1\0v\0{'descr'", r"\.npy file. Read it with numpy.load"),
    "bzip2": (b"BZh91AY&SY", "bunzip2"),
    "xz": (b"\xfd7zXZ\0\0", "unxz"),
    "zstandard": (b"\x28\xb5\x2f\xfd\4\0", "unzstd"),
    "png": (b"\x89PNG\r\n\x1a\n", "got bytes 89 50 4e 47"),
    "packed twice": (gzip.compress(gzip.compress(LABELS)), "gzip data inside gzip data"),
    "gzip magic only": (b"\x1f\x8b", "cut short"),
    "gzip cut short": (gzip.compress(LABELS)[:-9], "cut short"),
    "gzip without its sums": (gzip.compress(LABELS)[:-8], "cut short"),
    "second member cut short": (gzip.compress(LABELS) + b"\x1f", "cut short"),
    "gzip with garbage": (gzip.compress(LABELS) + b"\0\0\0\0", "got more bytes, 00 00 00 00"),
    "gzip, wrong crc": (gzip.compress(LABELS)[:-8] + bytes(8), "damaged .*incorrect data check"),
    "gzip, wrong size": (gzip.compress(LABELS)[:-4] + bytes(4), "damaged .*incorrect length"),
    "gzip, unknown method": (b"\x1f\x8b\x07" + bytes(20), "damaged .*unknown compression"),
    "gzip of too little": (gzip.compress(IMAGES[:-1]), "21 bytes when unpacked"),
    "gzip of too much": (gzip.compress(IMAGES + b"\0"), "more when unpacked"),
    "second member too much": (gzip.compress(LABELS) + gzip.compress(b"\0"), "more when unpacked"),
    "gzip promising terabytes": (
        gzip.compress(idx_header(0x08, 2**20, 2**20)),
        "gzip-compressed bytes, too few",
    ),
}


@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_file_is_an_idx_error_that_names_it(file, peak, data, message):
    def refuse():
        with pytest.raises(IDXError, match=rf"digits\.idx: .*{message}.*\.$"):
            read_idx(path)

    path = file(data, "digits.idx")
    assert peak(refuse) < 4 * MIB


def test_idx_error_is_a_value_error():
    assert issubclass(IDXError, ValueError)


@pytest.mark.parametrize(
    ("promised", "real", "bound"),
    [
        pytest.param(40 * MIB, 40 * MIB - 1, 42, id="short, one pass"),
        pytest.param(200 * MIB, 200 * MIB - 1, 2, id="short, two passes"),
        pytest.param(200 * MIB, 200 * MIB + 1, 2, id="long, two passes"),
        pytest.param(1000, 200 * MIB, 2, id="bomb"),
    ],
)
def test_gzip_bomb_costs_no_memory(file, peak, promised, real, bound):
    def refuse():
        with pytest.raises(IDXError, match="when unpacked"):
            read_idx(path)

    path = file(zeros_packed(real, idx_header(0x08, promised)))
    assert peak(refuse) < bound * MIB


@settings(deadline=None)
@given(
    st.binary(max_size=40)
    | st.binary(max_size=40).map(gzip.compress)
    | st.builds(lambda tail: b"\0\0\x08\1\0\0\0" + tail, st.binary(max_size=9))
    | st.builds(lambda tail: b"\x1f\x8b\x08" + tail, st.binary(max_size=60))
)
def test_any_bytes_are_an_array_or_an_idx_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any.idx"
    path.write_bytes(data)
    try:
        array = read_idx(path)
    except IDXError:
        return
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    elements = array.astype(array.dtype.newbyteorder(">")).tobytes()
    assert plain == idx_header(plain[2], *array.shape) + elements


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 255))
def test_flipped_bits_in_gzip_data_never_change_the_array(tmp_path_factory, place, flip):
    data = bytearray(gzip.compress(IMAGES, mtime=0))
    place %= len(data)
    data[place] ^= flip
    path = tmp_path_factory.getbasetemp() / "flipped.idx"
    path.write_bytes(data)
    try:
        array = read_idx(path)
    except IDXError:
        return
    # Some bits mean nothing: the time, the system, the padding of the last packed byte.
    np.testing.assert_array_equal(array, [[[0, 128, 255]], [[1, 2, 3]]])


def test_pipe_is_refused_unopened(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(IDXError, match="pipe: expected a file; got a pipe or a device"):
        read_idx(path)


def test_device_is_refused():
    with pytest.raises(IDXError, match="/dev/zero: expected a file"):
        read_idx("/dev/zero")


def test_missing_file_and_folder_stay_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        read_idx(tmp_path / "absent")
    with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file"):
        read_idx(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_unreadable_file_stays_an_os_error(file):
    path = file(LABELS)
    path.chmod(0)
    with pytest.raises(PermissionError):
        read_idx(path)


def test_file_that_shrinks_while_being_read(file, monkeypatch):
    def empty(*args):
        path.write_bytes(LABELS[:-1])
        return allocate(*args)

    path, allocate = file(LABELS), np.empty
    monkeypatch.setattr(np, "empty", empty)
    with pytest.raises(IDXError, match="shorter while being read"):
        read_idx(path)


# Writing


@pytest.mark.parametrize(("code", "letter", "dtype", "values"), ELEMENTS)
def test_writes_every_type(tmp_path, code, letter, dtype, values):
    expected = idx_header(code, 3, 1) + struct.pack(f">3{letter}", *values)
    write_idx(tmp_path / "a", np.array(values, dtype)[:, None])
    assert (tmp_path / "a").read_bytes() == expected
    write_idx(tmp_path / "a.gz", np.array(values, dtype)[:, None])
    assert gzip.decompress((tmp_path / "a.gz").read_bytes()) == expected


@settings(deadline=None)
@given(
    st.sampled_from([dtype for _, _, dtype, _ in ELEMENTS]).flatmap(
        lambda dtype: hnp.arrays(
            st.sampled_from([np.dtype(dtype).newbyteorder(order) for order in "<>"]),
            hnp.array_shapes(min_dims=1, max_dims=5, min_side=0, max_side=4),
        )
    ),
    st.sampled_from(["x", "x.gz"]),
    st.booleans(),
    st.booleans(),
)
def test_round_trip(tmp_path_factory, array, name, transposed, reversed_):
    array = array.T if transposed else array
    array = array[::-1] if reversed_ else array
    path = tmp_path_factory.getbasetemp() / name
    write_idx(path, array)
    back = read_idx(path)
    assert back.dtype == array.dtype.newbyteorder("=")
    assert back.shape == array.shape
    assert back.tobytes() == array.astype(back.dtype).tobytes()  # NaNs and -0.0, too


def test_read_only_input_is_not_touched(tmp_path):
    array = np.arange(6, dtype=np.int32).reshape(2, 3)
    array.flags.writeable = False
    write_idx(tmp_path / "x", array)
    np.testing.assert_array_equal(array, [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(read_idx(tmp_path / "x"), array)


def test_gzip_output_depends_on_nothing_but_the_array(tmp_path):
    for name in ("a.gz", "b.gz"):
        write_idx(tmp_path / name, np.arange(100, dtype=np.uint8))
    data = (tmp_path / "a.gz").read_bytes()
    assert data == (tmp_path / "b.gz").read_bytes()
    assert data[3:8] == bytes(5)  # no name, no time


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(2, np.int64), "got int64. Use array.astype\\('int32'\\) if that holds"),
        (np.zeros(2, np.uint16), "got uint16. Use array.astype\\('int32'\\)"),
        (np.zeros(2, bool), "got bool. Use array.astype\\('uint8'\\)"),
        (np.zeros(2, np.float16), "got float16. Use array.astype\\('float32'\\)"),
        (np.zeros(2, complex), "got complex128. $"),
        (np.array(["a"]), "got <U1"),
        (np.array([None]), "got object"),
        (np.uint8(3), "got a single number"),
        (np.broadcast_to(np.uint8(0), (2, 1 << 32)), r"less than 2\*\*32; got shape"),
    ],
)
def test_unsuitable_array_is_refused_and_the_old_file_kept(file, array, message):
    path = file(LABELS, "old")
    with pytest.raises(IDXError, match=rf"old: expected .*{message}"):
        write_idx(path, array)
    assert path.read_bytes() == LABELS
    assert os.listdir(path.parent) == ["old"]


def test_import_is_light():
    code = "import sys, mlpcore.datasets; print({'pooch', 'requests', 'tqdm'} & set(sys.modules))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.stdout == "set()\n", found.stderr
