"""Users' paths, and clear texts of the system's errors about them."""

from __future__ import annotations

import errno
import os

StrPath = str | os.PathLike[str]

# The longest name of a file where the system does not say, in bytes.
_LONGEST_NAME = 255


def to_path(path: object, name: str = "path") -> str:
    """Return a user's path as the str for the system.

    Parameters
    ----------
    path : str, bytes or PathLike
        A leading ``~`` or ``~user`` stands for a home folder, as in a shell; if there is no such
        user, it is kept.
    name : str, default "path"
        The argument's name in error messages.

    Returns
    -------
    path : str
        Not empty, without null characters.

    Raises
    ------
    TypeError
        If `path` is anything else.
    ValueError
        If `path` is empty, holds a null character, or begins with ``~`` where the system does not
        know the home folder.
    """
    try:
        text = os.fsdecode(path)  # type: ignore[arg-type]  # a TypeError for all that is no path
    except TypeError:
        raise TypeError(
            f"{name} must be a str or a PathLike object, such as a pathlib.Path; got "
            f"{type(path).__name__}."
        ) from None
    if not text:
        raise ValueError(f"{name} must not be empty; give the name of a file or a folder.")
    if "\0" in text:
        raise ValueError(f"{name} must not hold a null character; got {text!r}.")
    expanded = os.path.expanduser(text)
    if expanded.split(os.sep, 1)[0] == "~":
        raise ValueError(
            f"{name} begins with ~, and the home folder is unknown here; got {text!r}. Set the "
            "environment variable HOME, or give the whole path."
        )
    return expanded


def companion(path: str, ending: str) -> str:
    """Return the name of a file that belongs to another one, in the same folder.

    Parameters
    ----------
    path : str
        The other file.
    ending : str
        The suffix of the new name, such as ``.tmp``.

    Returns
    -------
    name : str
        `path` and `ending`. If the file system allows the file's name and none of that length, the
        end of the file's name is replaced by its checksum.
    """
    folder, name = os.path.split(path)
    try:
        longest = os.pathconf(folder or os.curdir, "PC_NAME_MAX")
    except OSError:
        longest = _LONGEST_NAME
    encoded = os.fsencode(name)
    if len(encoded) <= longest < len(encoded) + len(ending):
        import hashlib

        checksum = f"-{hashlib.sha256(encoded).hexdigest()[:16]}{ending}"
        name = encoded[: longest - len(checksum)].decode(errors="ignore")
        return os.path.join(folder, f"{name}{checksum}")
    return f"{path}{ending}"


def in_words(error: OSError, path: str) -> OSError:
    """An error that names the file or folder that cannot be written, and says what to do.

    The system's error names the path of its call, which may be that of a temporary file.

    Parameters
    ----------
    error : OSError
        The system's error.
    path : str
        The file or folder as the user named it.

    Returns
    -------
    error : OSError
        With the same errno, and so of the same class.
    """
    folder = os.path.dirname(os.path.realpath(path))
    nearest = folder  # the nearest existing folder
    while not os.path.lexists(nearest):
        nearest = os.path.dirname(nearest)
    words = error.strerror or str(error)
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and not os.path.isdir(nearest):
        words = f"{nearest} is a file and not a folder; give another path"
    elif error.errno == errno.ENOENT and nearest != folder:
        words = f"there is no folder {folder}; make it first"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        words = f"{words}: the folder {nearest} must be writable; make it so, or give another one"
    elif error.errno == errno.ENAMETOOLONG:
        words = f"{words}; give a shorter one"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT):
        words = f"{words}; free some space"
    elif error.errno == errno.EISDIR:
        words = f"{error.filename or path} is a folder; move it away, or give another name"
    return OSError(error.errno, words, path)
