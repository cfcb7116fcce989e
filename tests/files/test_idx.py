"""IDX files: what is read, what is refused and at what cost, and what is written."""

import bz2
import gzip
import io
import lzma
import os
import socket
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

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


def zeros_xz(n_bytes, start=b""):
    """Xz data of `start` and `n_bytes` zeros, made without holding them."""
    packer = lzma.LZMACompressor(preset=0)
    pieces = [packer.compress(start)]
    pieces += [packer.compress(bytes(MIB)) for _ in range(n_bytes // MIB)]
    return b"".join([*pieces, packer.compress(bytes(n_bytes % MIB)), packer.flush()])


def xz(data):
    return lzma.compress(data, preset=0)


@pytest.fixture
def file(tmp_path):
    """Return a function that writes bytes into a file and returns its path."""

    def write(data, name="some.idx"):
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write


# Reading


@pytest.mark.parametrize(("code", "letter", "dtype", "values"), ELEMENTS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
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


def test_path_may_be_str_or_pathlike(file, monkeypatch):
    path = file(LABELS)
    monkeypatch.setenv("HOME", str(path.parent))
    for same in (path, str(path), "~/some.idx", Path("~/some.idx")):
        np.testing.assert_array_equal(read_idx(same), [5, 0, 4])


@pytest.mark.parametrize("wrong", [0, None, ["a"], np.zeros(3, np.uint8)])
def test_what_is_no_file(wrong):
    message = f"path must be a str, a PathLike .* or bytes; got {type(wrong).__name__}"
    with pytest.raises(TypeError, match=message):
        read_idx(wrong)


def test_reads_concatenated_gzip_members(file):
    # gzip -c a b > c.gz; the file format allows it (RFC 1952, section 2.2).
    members = [gzip.compress(LABELS[i : i + 1]) for i in range(len(LABELS))]
    np.testing.assert_array_equal(read_idx(file(b"".join(members))), [5, 0, 4])


def test_reads_concatenated_xz_streams_and_padding(file):
    # xz-file-format.txt, section 2: streams may follow each other, and after each may be zeros, a
    # multiple of four of them.
    streams = [xz(LABELS[i : i + 1]) for i in range(len(LABELS))]
    for padding in (b"", bytes(4), bytes(1 << 16)):
        np.testing.assert_array_equal(read_idx(file(padding.join([*streams, b""]))), [5, 0, 4])


@pytest.mark.parametrize("preset", [0, 6, 9, 9 | lzma.PRESET_EXTREME])
def test_reads_what_every_level_of_xz_packs(file, preset):
    np.testing.assert_array_equal(read_idx(file(lzma.compress(LABELS, preset=preset))), [5, 0, 4])


@pytest.mark.parametrize("pack", [bytes, gzip.compress, xz])
@pytest.mark.parametrize("as_", [lambda path: path, Path.read_bytes, io.FileIO])
def test_reads_what_is_large_in_two_passes(file, monkeypatch, pack, as_):
    monkeypatch.setattr(_idx, "_ONE_PASS", 1000)
    values = np.random.RandomState(0).randint(0, 256, MIB).astype(np.uint8)
    source = as_(file(pack(idx_header(0x08, MIB) + values.tobytes())))
    np.testing.assert_array_equal(read_idx(source), values)
    if isinstance(source, io.FileIO):
        source.close()


def test_reading_holds_little_more_than_the_array(file, peak):
    data = idx_header(0x08, 20, MIB) + bytes(20 * MIB)
    for content in (data, gzip.compress(data, 1), xz(data)):
        assert peak(read_idx, file(content)) < 22 * MIB
        assert peak(read_idx, content) < 22 * MIB
        with open(file(content), "rb") as stream:
            assert peak(read_idx, stream) < 22 * MIB


# Bytes, and files that are open


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("form", [bytes, bytearray, memoryview])
def test_reads_bytes(form, pack):
    array = read_idx(form(pack(IMAGES)))
    np.testing.assert_array_equal(array, [[[0, 128, 255]], [[1, 2, 3]]])
    assert array.flags.owndata
    assert array.flags.writeable


def test_bytes_in_any_layout_are_read_and_not_kept():
    content = bytearray(LABELS)
    spread = memoryview(bytes(x for byte in LABELS for x in (byte, 99)))[::2]
    integers = memoryview(LABELS + b"\0").cast("i")
    array = read_idx(content)
    content.clear()  # a BufferError while anybody looks at it
    np.testing.assert_array_equal(array, [5, 0, 4])
    np.testing.assert_array_equal(read_idx(spread), [5, 0, 4])
    with pytest.raises(IDXError, match=r"^the given bytes: expected uint8 .* has 12 bytes"):
        read_idx(integers)


def pipe(content):
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        file.write(content)
    return open(reader, "rb")


def raw_pipe(content):
    reader, writer = os.pipe()
    with open(writer, "wb") as file:
        file.write(content)
    return open(reader, "rb", buffering=0)


def sent(content):
    mine, other = socket.socketpair()
    with other:
        other.sendall(content)
    with mine:
        return mine.makefile("rb")


def zip_member(content):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("train-labels", content)
    return zipfile.ZipFile(archive).open("train-labels")


class Trickle:
    """A stream that has nothing but a method and gives no more than a byte at a time."""

    def __init__(self, content):
        self._rest = io.BytesIO(content)

    def read(self, n_bytes):
        assert n_bytes > 0
        return bytearray(self._rest.read(1))


STREAMS = {
    "BytesIO": io.BytesIO,
    "pipe": pipe,
    "pipe, unbuffered": raw_pipe,
    "socket": sent,
    "GzipFile": lambda content: gzip.GzipFile(fileobj=io.BytesIO(gzip.compress(content))),
    "GzipFile of a pipe": lambda content: gzip.GzipFile(fileobj=pipe(gzip.compress(content))),
    "BZ2File": lambda content: bz2.BZ2File(io.BytesIO(bz2.compress(content))),
    "member of a zip file": zip_member,
    "trickle": Trickle,
}


@pytest.mark.parametrize("one_pass", [0, 1 << 20])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_reads_open_files(monkeypatch, name, pack, one_pass):
    monkeypatch.setattr(_idx, "_ONE_PASS", one_pass)
    values = np.random.RandomState(0).randint(0, 256, 5000).astype(np.uint8)
    content = idx_header(0x0B, 50, 50) + values.tobytes()
    stream = STREAMS[name](pack(content))
    np.testing.assert_array_equal(read_idx(stream).ravel(), values.view(">i2"))
    assert stream.read(1) == b""  # at its end, and still open


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_an_open_file_is_read_from_where_it_stands(file, pack):
    path = file(b"something else" + pack(LABELS))
    with open(path, "rb") as stream:
        stream.read(len("something else"))
        np.testing.assert_array_equal(read_idx(stream), [5, 0, 4])
        assert stream.tell() == path.stat().st_size
        with pytest.raises(IDXError, match=r"some\.idx: .*no bytes at all"):
            read_idx(stream)


@pytest.mark.parametrize(
    "stream", [io.StringIO("5"), io.TextIOWrapper(io.BytesIO(b"\xff\xff"), "utf-8")]
)
def test_a_file_in_text_mode_is_refused(stream):
    with pytest.raises(TypeError, match=r"expected a file in binary mode; .* mode 'rb'"):
        read_idx(stream)


def test_streams_that_give_no_bytes():
    class Text:
        name = "it"

        def read(self, n_bytes):
            return "text"

    class Late:
        def read(self, n_bytes):
            return None

    with pytest.raises(TypeError, match=r"^it: expected a file in binary mode; got str from its"):
        read_idx(Text())
    with pytest.raises(BlockingIOError, match="no bytes yet; set it to blocking mode: 'the open"):
        read_idx(Late())


@pytest.mark.parametrize("one_pass", [0, 1 << 20])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_sizes_of_open_files_are_counted(monkeypatch, pack, one_pass):
    monkeypatch.setattr(_idx, "_ONE_PASS", one_pass)
    for content, found in ((LABELS[:-1], "10 bytes"), (LABELS + b"\0", "more")):
        with pytest.raises(IDXError, match=f"^the open file: expected uint8 .* file has {found}"):
            read_idx(Trickle(pack(content)))


@pytest.mark.parametrize("promised", [200 * MIB, 2**32 - 1])
def test_an_open_file_that_promises_what_it_has_not_costs_no_memory(peak, promised):
    def refuse():
        with pytest.raises(IDXError, match="the file has 1032 bytes"):
            read_idx(io.BytesIO(idx_header(0x08, promised) + bytes(1024)))

    assert peak(refuse) < MIB


def test_a_stream_without_end_is_given_up(peak):
    class Endless:
        started = False

        def read(self, n_bytes):
            start = b"" if self.started else idx_header(0x08, 1000)
            self.started = True
            return start or bytes(n_bytes)

    def refuse():
        with pytest.raises(IDXError, match="the file has more"):
            read_idx(Endless())

    assert peak(refuse) < 2 * MIB


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
    "half of xz's magic": (b"\xfd7zXZ", "got bytes fd 37 7a 58"),
    "lzma": (lzma.compress(LABELS, lzma.FORMAT_ALONE), "got bytes 5d 00"),
    "zstandard": (b"\x28\xb5\x2f\xfd\4\0", "unzstd"),
    "png": (b"\x89PNG\r\n\x1a\n", "got bytes 89 50 4e 47"),
    "packed twice": (gzip.compress(gzip.compress(LABELS)), "gzip data inside packed data"),
    "packed twice by xz": (xz(xz(LABELS)), "xz data inside packed data"),
    "gzip in xz": (xz(gzip.compress(LABELS)), "gzip data inside packed data"),
    "xz in gzip": (gzip.compress(xz(LABELS)), "xz data inside packed data"),
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
    "empty xz": (xz(b""), "no bytes at all"),
    "xz magic only": (b"\xfd7zXZ\0", "xz data is cut short"),
    "xz cut short": (xz(LABELS)[:-9], "xz data is cut short"),
    "xz without its last byte": (xz(LABELS)[:-1], "xz data is cut short"),
    "second stream cut short": (xz(LABELS) + b"\xfd", "xz data is cut short"),
    "xz with garbage": (xz(LABELS) + b"\r\n", "after the xz data; got more bytes, 0d 0a"),
    "xz and gzip": (xz(LABELS) + gzip.compress(b""), "after the xz data; got more bytes, 1f 8b"),
    "xz padded by five": (xz(LABELS) + bytes(5), "xz data is damaged .5 zeros"),
    "xz padded by two": (xz(LABELS) + bytes(2) + xz(b""), "xz data is damaged .2 zeros"),
    "xz, wrong check": (
        xz(LABELS)[:-36] + bytes(8) + xz(LABELS)[-28:],
        "xz data is damaged .*Corrupt",
    ),
    "xz, flags unknown": (xz(LABELS)[:6] + b"\xff" + xz(LABELS)[7:], "xz data is damaged"),
    "xz of too little": (xz(IMAGES[:-1]), "21 bytes when unpacked"),
    "xz of too much": (xz(IMAGES + b"\0"), "more when unpacked"),
    "second stream too much": (xz(LABELS) + xz(b"\0"), "more when unpacked"),
    "xz promising terabytes": (xz(idx_header(0x08, 2**20, 2**20)), "12 bytes when unpacked"),
}


@pytest.mark.parametrize(("data", "message"), MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("form", ["path", "bytes"])
def test_malformed_file_is_an_idx_error_that_names_it(file, peak, data, message, form):
    def refuse():
        with pytest.raises(IDXError, match=rf"^{name}: .*{message}.*\.$"):
            read_idx(data if form == "bytes" else path)

    path = file(data, "digits.idx")
    name = "the given bytes" if form == "bytes" else r".*digits\.idx"
    assert peak(refuse) < 4 * MIB


def test_an_open_file_is_called_by_its_name(file):
    with open(file(b"", "digits.idx"), "rb") as stream:
        with pytest.raises(IDXError, match=r"digits\.idx: expected"):
            read_idx(stream)
    for stream in (io.BytesIO(), open(os.open(os.devnull, os.O_RDONLY), "rb")):
        with stream, pytest.raises(IDXError, match=r"^the open file: expected"):
            read_idx(stream)


def test_xz_data_that_asks_for_much_memory(peak):
    # In the header of the first block, whose CRC-32 follows: 40 - (2 + b % 2 << b // 2 + 11) bytes
    # of dictionary, here for b = 36 instead of 16, 1 GiB instead of 1 MiB.
    def refuse():
        with pytest.raises(IDXError, match=r"80 MiB of memory are enough for; .*with unxz"):
            read_idx(bytes(data))

    data = bytearray(lzma.compress(LABELS, preset=0))
    size = 4 * (data[12] + 1)
    place = data.index(bytes([0x21, 1]), 12, 12 + size) + 2  # LZMA2, one byte of properties
    data[place] = 36
    data[12 + size - 4 : 12 + size] = struct.pack("<I", zlib.crc32(data[12 : 12 + size - 4]))
    assert peak(refuse) < MIB


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
@pytest.mark.parametrize("zeros", [zeros_packed, zeros_xz])
def test_bomb_costs_no_memory(file, peak, promised, real, bound, zeros):
    def refuse(source):
        with pytest.raises(IDXError, match="when unpacked"):
            read_idx(source)

    content = zeros(real, idx_header(0x08, promised))
    assert len(content) < MIB
    assert peak(refuse, file(content)) < bound * MIB
    assert peak(refuse, content) < bound * MIB
    assert peak(refuse, io.BytesIO(content)) < (bound + 1) * MIB


@settings(deadline=None)
@given(
    st.binary(max_size=40)
    | st.binary(max_size=40).map(gzip.compress)
    | st.binary(max_size=40).map(xz)
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
    np.testing.assert_array_equal(read_idx(data), array)
    np.testing.assert_array_equal(read_idx(io.BytesIO(data)), array)
    plain = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
    plain = lzma.decompress(data) if data[:1] == b"\xfd" else plain
    elements = array.astype(array.dtype.newbyteorder(">")).tobytes()
    assert plain == idx_header(plain[2], *array.shape) + elements


@settings(deadline=None)
@given(st.integers(0, 200), st.integers(1, 255), st.sampled_from([gzip.compress, xz]))
def test_flipped_bits_in_packed_data_never_change_the_array(tmp_path_factory, place, flip, pack):
    data = bytearray(pack(IMAGES))
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
