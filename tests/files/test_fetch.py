"""fetch_mnist against web servers on this machine that serve well and badly."""

import contextlib
import errno
import functools
import gzip
import hashlib
import http.server
import io
import lzma
import os
import socket
import struct
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from mlpcore.datasets import MIRRORS, _fetch, fetch_mnist, load_mnist, read_idx

pytest.importorskip("pooch", reason='fetch_mnist needs pooch: pip install "mlpcore[fetch]"')

MNIST = os.environ.get("MLPCORE_DATA")

PIXELS = np.random.RandomState(0).randint(0, 256, (3, 28, 28)).astype(np.uint8)

# Unpacked: three images to train with, two to test with.
CONTENT = {
    "train-images-idx3-ubyte": struct.pack(">4I", 2051, 3, 28, 28) + PIXELS.tobytes(),
    "train-labels-idx1-ubyte": struct.pack(">2I", 2049, 3) + bytes([5, 0, 4]),
    "t10k-images-idx3-ubyte": struct.pack(">4I", 2051, 2, 28, 28) + PIXELS[:2].tobytes(),
    "t10k-labels-idx1-ubyte": struct.pack(">2I", 2049, 2) + bytes([7, 2]),
}
NAMES = [f"{name}.gz" for name in CONTENT]
GOOD = {f"{name}.gz": gzip.compress(data) for name, data in CONTENT.items()}


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with what the server holds under the name: bytes, or a function to call."""

    def do_GET(self):
        name = self.path.rpartition("/")[2]
        self.server.asked.append(name)
        answer = self.server.answers.get(name)
        if answer is None:
            self.send_error(404)
        elif callable(answer):
            # The client may well have gone by the time a bad server has said all.
            with contextlib.suppress(ConnectionError):
                answer(self)
        else:
            self.answer(answer)

    def answer(self, data, **headers):
        self.send_response(200)
        for name, value in {"Content_Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


@pytest.fixture
def serve():
    """Return a function that starts a server with these answers and returns it."""
    with contextlib.ExitStack() as stack:

        def start(answers):
            server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
            server.answers, server.asked = answers, []
            server.closing = threading.Event()
            server.url = f"http://127.0.0.1:{server.server_port}/mnist/"
            thread = threading.Thread(target=server.serve_forever, args=(0.01,))
            thread.start()
            for step in (server.server_close, thread.join, server.shutdown, server.closing.set):
                stack.callback(step)
            return server

        yield start


@pytest.fixture(autouse=True)
def little_files(monkeypatch):
    """Make fetch_mnist want the files above, and keep proxies and settings out of it."""
    sums = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in CONTENT.items()}
    monkeypatch.setattr(_fetch, "FILES", sums)
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.delenv("MLPCORE_DATA", raising=False)


def assert_complete(folder):
    assert sorted(os.listdir(folder)) == sorted(NAMES)
    for name, data in CONTENT.items():
        assert gzip.decompress((Path(folder) / f"{name}.gz").read_bytes()) == data


def test_fetches_four_files_once(serve, tmp_path):
    server, folder = serve(GOOD), tmp_path / "new" / "folder"
    assert fetch_mnist(folder, mirrors=[server.url]) == folder
    assert server.asked == NAMES
    assert_complete(folder)
    X, y = load_mnist(folder, scale=False)
    np.testing.assert_array_equal(X, PIXELS.reshape(3, 784))
    np.testing.assert_array_equal(y, [5, 0, 4])
    assert fetch_mnist(folder, mirrors=[server.url]) == folder
    assert server.asked == NAMES


def test_fetches_only_what_is_missing(serve, tmp_path):
    server = serve(GOOD)
    (tmp_path / "train-labels.idx1-ubyte").write_bytes(CONTENT["train-labels-idx1-ubyte"])
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(GOOD["t10k-images-idx3-ubyte.gz"])
    fetch_mnist(tmp_path, mirrors=[server.url])
    assert server.asked == ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]


@pytest.mark.parametrize("slash", [True, False])
def test_one_mirror_may_be_a_str(serve, tmp_path, slash):
    url = serve(GOOD).url
    fetch_mnist(str(tmp_path), mirrors=url if slash else url.rstrip("/"))
    assert_complete(tmp_path)


def test_unpacked_files_are_packed_again(serve, tmp_path):
    fetch_mnist(tmp_path, mirrors=[serve({f"{n}.gz": d for n, d in CONTENT.items()}).url])
    assert_complete(tmp_path)


def test_files_may_be_packed_in_another_way(serve, tmp_path):
    answers = {f"{name}.gz": gzip.compress(data, 1, mtime=9) for name, data in CONTENT.items()}
    fetch_mnist(tmp_path, mirrors=[serve(answers).url])
    assert_complete(tmp_path)


def test_files_unpacked_on_the_way(serve, tmp_path):
    # A server that takes the .gz for a property of the connection, which requests undoes.
    answers = {
        name: functools.partial(Handler.answer, data=data, Content_Encoding="gzip")
        for name, data in GOOD.items()
    }
    fetch_mnist(tmp_path, mirrors=[serve(answers).url])
    assert_complete(tmp_path)


# Servers that fail, each for the first file; a second mirror has it.


def silent(handler):
    handler.server.closing.wait(30)


def silent_half_way(handler):
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(GOOD[NAMES[0]][:100])
    handler.server.closing.wait(30)


def endless(handler):
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(1 << 16))


def cut_short(handler):
    handler.answer(GOOD[NAMES[0]][:-50], Content_Length=len(GOOD[NAMES[0]]))


def hangs_up(handler):
    handler.connection.shutdown(socket.SHUT_RDWR)


def flipped():
    data = bytearray(GOOD[NAMES[0]])
    data[len(data) // 2] ^= 1
    return bytes(data)


SILENT = {"silent": (silent, "timed out"), "silent half-way": (silent_half_way, "timed out")}
FAILURES = {
    "not there": (None, "404"),
    "server error": (lambda handler: handler.send_error(503), "503"),
    "hangs up": (hangs_up, "Connection"),
    "cut short": (cut_short, "IncompleteRead"),
    "cut short unnoticed": (GOOD[NAMES[0]][:-50], "gzip data is cut short"),
    "corrupt": (flipped(), "gzip data is damaged"),
    "corrupt, unpacked": (CONTENT["train-images-idx3-ubyte"][:-1] + b"?", "expected sha256"),
    "empty": (b"", "expected 2368 bytes when unpacked; got 0"),
    "other data": (GOOD[NAMES[1]], "expected 2368 bytes when unpacked; got 11"),
    "web page": (b"<!DOCTYPE html><title>Log in", "got a web page"),
    "packed twice": (gzip.compress(GOOD[NAMES[0]]), "gzip data inside packed data"),
    "endless": (endless, "sends more than"),
    "gzip bomb": (gzip.compress(bytes(10**7)), "expected 2368 bytes when unpacked; got more"),
    "wrong header": (lambda handler: handler.answer(b"", Content_Length="many"), "many"),
}


@pytest.mark.parametrize(("bad", "reason"), FAILURES.values(), ids=FAILURES)
def test_next_mirror_serves_when_one_fails(serve, tmp_path, bad, reason):
    first, second = serve({**GOOD, NAMES[0]: bad}), serve(GOOD)
    fetch_mnist(tmp_path, mirrors=[first.url, second.url])
    assert first.asked == NAMES[:1]
    assert second.asked == NAMES  # and it goes on with the one that is good
    assert_complete(tmp_path)


@pytest.mark.parametrize(("bad", "reason"), FAILURES.values(), ids=FAILURES)
def test_reason_is_told_when_all_fail(serve, tmp_path, bad, reason):
    server = serve({**GOOD, NAMES[0]: bad})
    with pytest.raises(OSError, match=f"train-images.*no mirror .*\n  {server.url}.*{reason}"):
        fetch_mnist(tmp_path, mirrors=[server.url])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("bad", "reason"), SILENT.values(), ids=SILENT)
def test_silent_mirror_is_given_up(serve, tmp_path, monkeypatch, bad, reason):
    monkeypatch.setattr(_fetch, "SILENCE", 0.5)
    server = serve({**GOOD, NAMES[0]: bad})
    with pytest.raises(OSError, match=reason):
        fetch_mnist(tmp_path, mirrors=[server.url])
    assert os.listdir(tmp_path) == []


def test_next_mirror_serves_when_one_is_silent(serve, tmp_path, monkeypatch):
    def long_again(handler):
        monkeypatch.setattr(_fetch, "SILENCE", 30.0)
        handler.server.closing.wait(30)

    monkeypatch.setattr(_fetch, "SILENCE", 0.5)
    fetch_mnist(tmp_path, mirrors=[serve({NAMES[0]: long_again}).url, serve(GOOD).url])
    assert_complete(tmp_path)


def test_each_mirror_has_its_reason(serve, tmp_path):
    missing, page = serve({}), serve({name: b"<html>" for name in NAMES})
    with pytest.raises(OSError, match="no mirror delivered") as caught:
        fetch_mnist(tmp_path, mirrors=[missing.url, page.url, "ftp://127.0.0.1/"])
    first, *reasons = str(caught.value).splitlines()
    assert "Try again later, pass other mirrors, or put the file into the folder" in first
    assert len(reasons) == 3
    for reason, url in zip(reasons, [missing.url, page.url, "ftp://127.0.0.1/"], strict=True):
        assert reason.startswith(f"  {url}{NAMES[0]}: ")


def test_files_before_the_failure_are_kept(serve, tmp_path):
    server = serve({**GOOD, NAMES[2]: None})
    with pytest.raises(OSError, match="t10k-images"):
        fetch_mnist(tmp_path, mirrors=[server.url])
    assert sorted(os.listdir(tmp_path)) == sorted(NAMES[:2])


def test_server_that_trickles_is_given_up(serve, tmp_path, monkeypatch):
    monkeypatch.setattr(_fetch, "PATIENCE", -1.0)
    with pytest.raises(OSError, match="has not sent the file within"):
        fetch_mnist(tmp_path, mirrors=[serve(GOOD).url])


def test_no_server_and_no_mirrors(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/"
        with pytest.raises(OSError, match="refused"):
            fetch_mnist(tmp_path, mirrors=[url])
    with pytest.raises(OSError, match="mirrors is empty"):
        fetch_mnist(tmp_path, mirrors=[])


# Files that are there before


@pytest.mark.parametrize(
    "damaged", [b"", b"<html>", GOOD[NAMES[0]][:-9], flipped(), GOOD[NAMES[0]] + b"\n"]
)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "train-images.idx3-ubyte"])
def test_damaged_file_is_replaced(serve, tmp_path, damaged, name):
    (tmp_path / name).write_bytes(damaged)
    fetch_mnist(tmp_path, mirrors=[serve(GOOD).url])
    np.testing.assert_array_equal(load_mnist(tmp_path, scale=False)[0], PIXELS.reshape(3, 784))


def test_damaged_file_stays_when_there_is_no_better_one(serve, tmp_path):
    (tmp_path / NAMES[0]).write_bytes(b"<html>")
    with pytest.raises(OSError, match="no mirror delivered"):
        fetch_mnist(tmp_path, mirrors=[serve({}).url])
    assert (tmp_path / NAMES[0]).read_bytes() == b"<html>"


@pytest.mark.parametrize("pixels", [255 - PIXELS, np.zeros((9, 28, 28), np.uint8)])
def test_another_data_set_is_left_alone(serve, tmp_path, pixels):
    server, path = serve(GOOD), tmp_path / NAMES[0]
    fashion = gzip.compress(struct.pack(">4I", 2051, *pixels.shape) + pixels.tobytes())
    path.write_bytes(fashion)
    with pytest.raises(FileExistsError, match=r"train-images.*left as it is \(Fashion-MNIST"):
        fetch_mnist(tmp_path, mirrors=[server.url])
    assert path.read_bytes() == fashion
    assert server.asked == []


def test_another_data_set_is_not_mixed_with_mnist(serve, tmp_path):
    # The last of the four; before, the first three were MNIST's by then.
    server, path = serve(GOOD), tmp_path / "t10k-labels.idx1-ubyte"
    path.write_bytes(struct.pack(">2I", 2049, 2) + bytes([1, 9]))
    with pytest.raises(FileExistsError, match="t10k-labels"):
        fetch_mnist(tmp_path, mirrors=[server.url])
    assert server.asked == []
    assert os.listdir(tmp_path) == ["t10k-labels.idx1-ubyte"]


def test_files_packed_by_xz_are_there(serve, tmp_path):
    server = serve(GOOD)
    for name, content in CONTENT.items():
        (tmp_path / f"{name}.xz").write_bytes(lzma.compress(content))
    fetch_mnist(tmp_path, mirrors=[server.url])
    assert server.asked == []
    path = tmp_path / "train-images-idx3-ubyte.xz"
    path.write_bytes(path.read_bytes()[:-9])
    fetch_mnist(tmp_path, mirrors=[server.url])
    assert server.asked == ["train-images-idx3-ubyte.gz"]
    np.testing.assert_array_equal(load_mnist(tmp_path, scale=False)[0], PIXELS.reshape(3, 784))


def test_folder_that_is_a_file(serve, tmp_path, monkeypatch):
    server = serve(GOOD)
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError, match=r"path must name a folder, .*: '.*/file'"):
        fetch_mnist(tmp_path / "file", mirrors=[server.url])
    with pytest.raises(NotADirectoryError, match=r"/file is a file and not a folder.*/file/in/it'"):
        fetch_mnist(tmp_path / "file" / "in" / "it", mirrors=[server.url])
    monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "file"))
    with pytest.raises(NotADirectoryError, match=r"MLPCORE_DATA must name a folder, .*: '.*/file'"):
        fetch_mnist(mirrors=[server.url])
    assert server.asked == []


def test_folder_that_cannot_be_made(serve, tmp_path, monkeypatch):
    def refuse(name, *arguments, **keywords):
        raise PermissionError(errno.EACCES, "Permission denied", name)

    server = serve(GOOD)
    monkeypatch.setattr(os, "mkdir", refuse)  # even for root
    with pytest.raises(PermissionError) as caught:
        fetch_mnist(tmp_path / "a" / "b", mirrors=[server.url])
    assert caught.value.filename == str(tmp_path / "a" / "b")
    assert f"Permission denied: the folder {tmp_path} must be writable" in str(caught.value)
    assert server.asked == []


def test_what_is_no_path():
    with pytest.raises(TypeError, match=r"path must be a str or a PathLike object.*; got int"):
        fetch_mnist(3)
    with pytest.raises(ValueError, match="path must not be empty"):
        fetch_mnist("")


# Defaults, and packages that are not there


def test_default_folder(serve, tmp_path, monkeypatch):
    mirrors = [serve(GOOD).url]
    monkeypatch.setattr("pooch.os_cache", lambda project: tmp_path / "cache" / project)
    assert fetch_mnist(mirrors=mirrors) == tmp_path / "cache" / "mlpcore"
    assert_complete(tmp_path / "cache" / "mlpcore")
    monkeypatch.setenv("MLPCORE_DATA", str(tmp_path / "data"))
    assert fetch_mnist(mirrors=mirrors) == tmp_path / "data"
    assert_complete(tmp_path / "data")
    monkeypatch.setenv("MLPCORE_DATA", "relative")
    assert fetch_mnist(mirrors=mirrors) == Path("relative")
    assert_complete("relative")
    monkeypatch.setenv("MLPCORE_DATA", "")
    assert fetch_mnist(mirrors=mirrors) == tmp_path / "cache" / "mlpcore"


def test_the_home_folder(serve, tmp_path, monkeypatch):
    mirrors = [serve(GOOD).url]
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert fetch_mnist("~/mnist", mirrors=mirrors) == tmp_path / "home" / "mnist"
    assert_complete(tmp_path / "home" / "mnist")
    assert fetch_mnist(Path("~/mnist"), mirrors=[]) == tmp_path / "home" / "mnist"
    monkeypatch.setenv("MLPCORE_DATA", "~/elsewhere")
    assert fetch_mnist(mirrors=mirrors) == tmp_path / "home" / "elsewhere"
    assert_complete(tmp_path / "home" / "elsewhere")
    assert sorted(os.listdir()) == ["home"]


def test_without_pooch(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'pip install "mlpcore\[fetch\]"'):
        fetch_mnist(tmp_path)
    for name, data in GOOD.items():
        (tmp_path / name).write_bytes(data)
    assert fetch_mnist(tmp_path) == tmp_path


def test_without_tqdm(serve, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    fetch_mnist(tmp_path, mirrors=[serve(GOOD).url])
    assert_complete(tmp_path)


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_bar_on_terminals_only(serve, tmp_path, monkeypatch, terminal):
    tqdm = pytest.importorskip("tqdm")
    monkeypatch.setattr(tqdm.tqdm, "monitor_interval", 0)  # no thread that outlives the test
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    fetch_mnist(tmp_path, mirrors=[serve(GOOD).url])
    assert all((name in screen.getvalue()) == terminal for name in NAMES)
    assert ("100%" in screen.getvalue()) == terminal


# What is wanted for real


def test_published_mirrors():
    assert MIRRORS == (
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    )


@pytest.mark.skipif(not MNIST, reason="MLPCORE_DATA names no folder with MNIST")
def test_published_sums_are_those_of_mnist(monkeypatch):
    monkeypatch.undo()  # the real sums
    assert len(_fetch.FILES) == 4
    assert fetch_mnist(MNIST, mirrors=[]) == Path(MNIST)
    shapes = [read_idx(_fetch.find(MNIST, name)).shape for name in _fetch.FILES]
    assert shapes == [(60000, 28, 28), (60000,), (10000, 28, 28), (10000,)]
