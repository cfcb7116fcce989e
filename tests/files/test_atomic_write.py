"""atomic_write: the old file or the new one, and never anything else."""

import errno
import os
import signal
import stat
import subprocess
import sys

import pytest

from mlpcore._files import atomic_write


def test_new_file(tmp_path):
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
        assert not (tmp_path / "a").exists()
    assert (tmp_path / "a").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a"]


def test_old_file_is_there_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_error_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def write():
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_full_disk_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def write():
        with atomic_write(path) as file:
            file.write(b"half")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write()
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a"]


def test_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    code = (
        "import os, signal, sys\n"
        "from mlpcore._files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write(b'half')\n"
        "    file.flush()\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    process = subprocess.run([sys.executable, "-c", code, path])
    assert process.returncode == -signal.SIGKILL
    assert path.read_bytes() == b"old"


def test_content_and_name_are_synced_before_the_block_is_left(tmp_path, monkeypatch):
    events = []

    def record(name, function):
        def call(*args):
            events.append(name)
            return function(*args)

        monkeypatch.setattr(os, name, call)

    record("fsync", os.fsync)
    record("replace", os.replace)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert events == ["fsync", "replace", "fsync"]


def test_folder_that_cannot_be_synced_is_no_error(tmp_path, monkeypatch):
    sync = os.fsync

    def files_only(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    with atomic_write(tmp_path / "a") as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_new_file_has_the_permissions_that_open_gives(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "a"):
            pass
        with open(tmp_path / "b", "wb"):
            pass
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_old_file_keeps_its_permissions(tmp_path):
    path = tmp_path / "a"
    path.touch()
    path.chmod(0o640)
    with atomic_write(path) as file:
        assert stat.S_IMODE(os.fstat(file.fileno()).st_mode) == 0o640
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_symbolic_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere" / "a")
    for content in (b"new", b"newer"):  # the first time, the link leads nowhere
        with atomic_write(tmp_path / "link") as file:
            file.write(content)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "elsewhere" / "a").read_bytes() == content


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_write("a") as file:
        file.write(b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_long_name(tmp_path):
    with atomic_write(tmp_path / ("a" * 255)) as file:
        file.write(b"new")
    assert os.listdir(tmp_path) == ["a" * 255]


def refuse(path):
    with atomic_write(path):
        pytest.fail("must not get here")


def test_folder_and_device_are_refused(tmp_path):
    with pytest.raises(IsADirectoryError, match="is a folder"):
        refuse(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/null", tmp_path / "pipe"):
        with pytest.raises(OSError, match="is a pipe or a device"):
            refuse(path)


def test_missing_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=f"there is no folder {tmp_path}/absent; make it"):
        refuse(tmp_path / "absent" / "a")


def test_read_only_file_is_not_replaced(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)  # even for root
    with pytest.raises(PermissionError, match="is read-only"):
        refuse(path)
    assert path.read_bytes() == b"old"
