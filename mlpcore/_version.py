"""The version of mlpcore, and its comparison with the version that saved a model."""

from __future__ import annotations

import itertools
import warnings

__version__ = "0.1.0"


def warn_if_newer(version: object, what: str) -> None:
    """Warn where a model was saved by a newer mlpcore than this one.

    Parameters
    ----------
    version : str
        The version of mlpcore that saved it; other objects are ignored.
    what : str
        The model's name in the warning.

    Warns
    -----
    UserWarning
    """
    if isinstance(version, str) and _key(version) > _key(__version__):
        warnings.warn(
            f"{what} was saved by mlpcore {version}, and this is {__version__}: it may lack what "
            "the newer version added. Install that version, or save the model again.",
            stacklevel=4,
        )


def _key(version: str) -> tuple[int, ...]:
    """The numbers of a version, up to the first part that is none."""
    parts = version.split("+")[0].split(".")
    return tuple(int(part) for part in itertools.takewhile(str.isdecimal, parts))
