"""Paths: what is one, where ~ leads, names that fit, and errors that name what the user wrote."""

import errno
import os
import pwd
from pathlib import Path

import numpy as np
import pytest

from mlpcore import NeuralNetMLP, load_digits, load_npz, read_idx, save_npz, write_idx
from mlpcore import _files as files
from mlpcore._paths import companion, in_words, to_path
from mlpcore.training.checkpoint import Checkpoint


class Named:
    """A PathLike of either kind."""

    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return self._path


def model(**keywords):
    return NeuralNetMLP(2, epochs=1, seed=1, progress=False, **keywords)


X, Y = (array[:20] for array in load_digits())

# One function for each that takes the path of a file to write.
WRITERS = {
    "save_npz": lambda path: save_npz(path, a=[1]),
    "write_idx": lambda path: write_idx(path, np.uint8([1])),
    "save": lambda path: model().fit(X, Y).save(path),
    "checkpoint": lambda path: model().fit(X, Y, checkpoint=path),
}
READERS = {
    "save_npz": load_npz,
    "write_idx": read_idx,
    "save": NeuralNetMLP.load,
    "checkpoint": lambda path: Checkpoint(path).read()[0],
}


# What is a path


@pytest.mark.parametrize("form", [str, os.fsencode, Path, Named, lambda name: Named(name.encode())])
def test_forms_of_a_path(form):
    assert to_path(form("a/~b")) == "a/~b"


def test_names_that_are_no_text():
    name = os.fsdecode(b"\xff.idx")
    write_idx(name, np.uint8([1]))
    assert os.listdir(b".") == [b"\xff.idx"]
    assert read_idx(name) == 1


@pytest.mark.parametrize("home", ["/home/me", "/home/me/"])
def test_a_leading_tilde_is_the_home_folder(monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    for form in (str, Path, os.fsencode, Named):
        assert to_path(form("~/a/~/b")) == "/home/me/a/~/b"
        assert to_path(form("~")) == "/home/me"
    for other in ("./~/a", "a/~/b", "a~", " ~"):
        assert to_path(other) == other


def test_homes_of_others(monkeypatch):
    user = pwd.getpwuid(os.getuid())
    monkeypatch.setenv("HOME", "/home/me")
    assert to_path(f"~{user.pw_name}/a") == os.path.join(user.pw_dir, "a")
    # As in a shell: there may be a file of this name.
    assert to_path("~$nobody.idx") == "~$nobody.idx"


def test_home_is_unknown(monkeypatch):
    def nobody(uid):
        raise KeyError(uid)

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", nobody)  # as in a container with any user's number
    for path in ("~", "~/mnist"):
        with pytest.raises(ValueError, match=r"path begins with ~, and the home .*Set the env"):
            to_path(path)
    assert to_path("./~/mnist") == "./~/mnist"


@pytest.mark.parametrize("wrong", [None, 0, 1.5, ["a"], np.array(["a"]), object()])
def test_what_is_no_path(wrong):
    message = rf"where must be a str or a PathLike object.*; got {type(wrong).__name__}\.$"
    with pytest.raises(TypeError, match=message):
        to_path(wrong, "where")


@pytest.mark.parametrize("what", WRITERS)
def test_what_is_no_path_anywhere(what):
    name = "checkpoint" if what == "checkpoint" else "path"
    for wrong, error, message in (
        (3, TypeError, f"{name} must be a str"),
        ("", ValueError, f"{name} must not be empty"),
        ("a\0b", ValueError, f"{name} must not hold a null character; got 'a.x00b'"),
    ):
        with pytest.raises(error, match=message):
            WRITERS[what](wrong)
        with pytest.raises(error, match=message):
            READERS[what](wrong)
    assert os.listdir() == []


# Where ~ leads, everywhere


@pytest.mark.parametrize("what", WRITERS)
def test_home_everywhere(what, monkeypatch, tmp_path):
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    WRITERS[what]("~/x")
    assert "x" in os.listdir(tmp_path / "home")
    assert os.listdir() == ["home"]
    for same in ("~/x", Path("~/x"), tmp_path / "home" / "x"):
        READERS[what](same)
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}/home/y") as caught:
        load_npz("~/y")
    assert caught.value.filename == str(tmp_path / "home" / "y")


# Names that fit


@pytest.mark.parametrize("letter", ["a", "ü", "字"])
def test_companions_of_long_names(tmp_path, letter):
    longest = os.pathconf(tmp_path, "PC_NAME_MAX")
    for n_bytes in (10, longest - 10, longest - 9, longest - 8, longest):
        name = letter * (n_bytes // len(letter.encode()))
        path = str(tmp_path / name)
        other = companion(path, ".previous")
        assert os.path.dirname(other) == str(tmp_path)
        assert len(os.fsencode(os.path.basename(other))) <= longest
        assert other.endswith(".previous")
        assert (other == f"{path}.previous") == (len(name.encode()) + 9 <= longest)
        other.encode()  # no character is cut in two
        # Names that differ at the end only have companions that differ.
        assert companion(path[:-1] + "x", ".previous") != other


def test_companions_beside_a_relative_path_and_in_no_folder():
    assert companion("a", ".tmp") == "a.tmp"
    assert companion("no/a", ".tmp") == "no/a.tmp"
    assert len(companion("no/" + "a" * 255, ".tmp")) == 3 + 255
    # What is too long itself is not made shorter: the system refuses it under this name.
    assert companion("a" * 256, ".tmp") == "a" * 256 + ".tmp"


@pytest.mark.parametrize("what", WRITERS)
def test_the_longest_name(what, tmp_path):
    name = "a" * os.pathconf(tmp_path, "PC_NAME_MAX")
    for _ in range(2):
        WRITERS[what](name)
    assert name in os.listdir()
    assert not any(other.endswith((".tmp", ".lock")) for other in os.listdir())
    READERS[what](name)


def test_a_checkpoint_with_the_longest_name_goes_on_from_the_one_before():
    name = "a" * 255
    whole = NeuralNetMLP(2, epochs=3, seed=1, progress=False).fit(X, Y, checkpoint=name)
    (previous,) = set(os.listdir()) - {name}
    os.replace(previous, name)
    assert Checkpoint(name).read()[0]["epoch"] == 2
    again = NeuralNetMLP(2, epochs=3, seed=1, progress=False).fit(X, Y, checkpoint=name)
    np.testing.assert_array_equal(again.w_h, whole.w_h)


# Errors that name what the user wrote


def failure(write, path):
    """The error and its message, which names the file that the user named, and no other one."""
    with pytest.raises(OSError) as caught:  # noqa: PT011
        write(path)
    error = caught.value
    assert error.filename == path
    assert ".tmp" not in str(error)
    assert ".lock" not in str(error)
    assert error.__cause__ is None
    assert error.__suppress_context__
    return error, str(error)


@pytest.mark.parametrize("what", WRITERS)
class TestWriters:
    def test_no_folder(self, what, tmp_path):
        error, message = failure(WRITERS[what], "no/such/x")
        assert isinstance(error, FileNotFoundError)
        assert f"there is no folder {tmp_path}/no/such; make it first" in message
        assert ("), and there is no older one: 'no/such/x'" in message) == (what == "checkpoint")
        assert os.listdir() == []

    def test_a_link_that_leads_to_no_folder(self, what, tmp_path):
        os.symlink("no/such/x", "link")
        error, message = failure(WRITERS[what], "link")
        assert isinstance(error, FileNotFoundError)
        assert f"there is no folder {tmp_path}/no/such; make it first" in message

    def test_a_file_for_a_folder(self, what, tmp_path):
        Path("file").touch()
        for path in ("file/x", "file/in/x"):
            error, message = failure(WRITERS[what], path)
            assert isinstance(error, NotADirectoryError)
            assert f"{tmp_path}/file is a file and not a folder; give another path" in message

    def test_a_name_that_is_too_long(self, what):
        error, message = failure(WRITERS[what], "a" * 256)
        assert error.errno == errno.ENAMETOOLONG
        assert "give a shorter one" in message
        assert os.listdir() == []

    def test_a_folder_that_must_not_be_written_to(self, what, tmp_path, monkeypatch):
        def refuse(name, *arguments, **keywords):
            if str(name).startswith(f"{tmp_path}/"):
                raise PermissionError(errno.EACCES, "Permission denied", name)
            return open(name, *arguments, **keywords)

        monkeypatch.setattr(files, "open", refuse, raising=False)  # even for root
        error, message = failure(WRITERS[what], "x")
        assert isinstance(error, PermissionError)
        assert f"Permission denied: the folder {tmp_path} must be writable" in message

    def test_a_disk_that_is_full(self, what, monkeypatch):
        def full(name, *arguments, **keywords):
            if name.endswith(".tmp"):
                open(name, "xb").close()
                name, arguments = "/dev/full", ("wb",)
            return open(name, *arguments, **keywords)

        before = sorted(os.listdir())
        monkeypatch.setattr(files, "open", full, raising=False)
        error, message = failure(WRITERS[what], "x")
        assert error.errno == errno.ENOSPC
        assert "No space left on device; free some space" in message
        assert sorted(os.listdir()) == before

    def test_a_file_that_is_too_large(self, what, run_python):
        code = (
            "import os, resource, sys\n"
            f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
            "import test_paths\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (8, resource.RLIM_INFINITY))\n"
            f"error, message = test_paths.failure(test_paths.WRITERS[{what!r}], 'x')\n"
            "print(error.errno, 'File too large' in message, os.listdir())\n"
        )
        assert run_python(code) == f"{errno.EFBIG} True []\n"


@pytest.mark.parametrize("write", [save_npz, write_idx, model().fit(X, Y).save])
def test_a_name_that_says_folder(write, tmp_path):
    arguments = (np.uint8([1]),) if write is write_idx else ()
    for path in ("new/", "."):
        with pytest.raises(IsADirectoryError, match="is a folder; give the name of a file"):
            write(path, *arguments)
    assert os.listdir() == []


def test_companions_of_a_checkpoint_that_are_folders(tmp_path):
    for ending in (".lock", ".tmp"):
        os.mkdir(f"x{ending}")
        with pytest.raises(IsADirectoryError, match=rf"x\{ending} is a folder; move it away"):
            WRITERS["checkpoint"]("x")
        os.rmdir(f"x{ending}")


def test_an_older_checkpoint_is_spoken_of_where_there_is_one(monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "of epoch 0 could not be written" in failure(WRITERS["checkpoint"], "x")[1]
    assert "and there is no older one" in failure(WRITERS["checkpoint"], "x")[1]
    monkeypatch.undo()
    WRITERS["checkpoint"]("x")
    monkeypatch.setattr(os, "fsync", full)
    message = failure(lambda path: model().set_params(epochs=2).fit(X, Y, checkpoint=path), "x")[1]
    assert "the older one is as it was, and you can fit again to go on from there" in message


def test_errors_of_other_files_stay_theirs(tmp_path):
    def read_another():
        with files.atomic_write("x"):
            open("another")

    def without_a_number():
        with files.atomic_write("x"):
            raise OSError("something else")

    with pytest.raises(FileNotFoundError, match="'another'"):
        read_another()
    with pytest.raises(OSError, match=r"^something else$"):
        without_a_number()
    assert os.listdir() == []


def test_words_for_a_number_without_advice(tmp_path):
    error = in_words(OSError(errno.EIO, "Input/output error", "x.tmp"), "x")
    assert (error.errno, error.filename) == (errno.EIO, "x")
    assert str(error) == f"[Errno {errno.EIO}] Input/output error: 'x'"
