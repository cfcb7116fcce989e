"""Rows of Parquet files, read by row groups when they are needed."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlpcore._paths import StrPath, to_path


class ParquetRows:
    """The columns of a Parquet file or folder as rows of numbers; `open_parquet` makes it.

    Attributes
    ----------
    shape : (int, int), or (int,) for one column that was asked for by its name alone
    dtype : dtype
        The one that holds the numbers of all columns.
    columns : list of str
        Their names, which become the model's `feature_names_in_`.
    row_group_starts : ndarray of intp
        The first row of each row group; one is read as a whole.
    files : list of str
    """

    def __init__(self, path: StrPath, columns: Sequence[str] | str | None) -> None:
        try:
            import pyarrow.dataset as dataset
        except ImportError as error:
            raise ImportError(
                'open_parquet needs pyarrow: pip install "mlpcore[arrow]".'
            ) from error
        name = to_path(path)
        # Folders of the form key=value, as Hive and Spark write them, are columns as well.
        found = dataset.dataset(name, format="parquet", partitioning="hive")
        single = isinstance(columns, str)
        self.columns = (
            [columns] if isinstance(columns, str) else list(columns or found.schema.names)
        )
        dtypes = [_dtype_of(found.schema, column, name) for column in self.columns]
        self.dtype = np.result_type(*dtypes) if dtypes else np.dtype(np.float64)
        self._groups = [
            group for part in found.get_fragments() for group in part.split_by_row_group()
        ]
        counts = [group.row_groups[0].num_rows for group in self._groups]
        starts = np.concatenate([[0], np.cumsum(counts, dtype=np.intp)])
        self.row_group_starts = starts[:-1].astype(np.intp)
        n_rows = int(starts[-1])
        self.shape: tuple[int, ...] = (n_rows,) if single else (n_rows, len(self.columns))
        self.files = [os.path.abspath(path) for path in found.files]
        self._before = {path: _signature(path) for path in found.files}
        self._schema = found.schema
        self._last: tuple[int, NDArray[Any]] | None = None

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(dtype or self.dtype, copy=False)

    def __getitem__(self, rows: slice) -> NDArray[Any]:
        start, stop, step = rows.indices(len(self))
        if step != 1:
            raise IndexError("rows of a Parquet file are read in their order, one after the other.")
        out = np.empty((max(0, stop - start), len(self.columns)), self.dtype)
        ends = np.append(self.row_group_starts[1:], len(self))
        first = int(np.searchsorted(ends, start, side="right"))
        for group in range(first, len(self._groups)):
            begin, end = int(self.row_group_starts[group]), int(ends[group])
            if begin >= stop:
                break
            part = self._read(group)[max(0, start - begin) : min(end, stop) - begin]
            place = max(begin, start) - start
            out[place : place + len(part)] = part
        return out if len(self.shape) == 2 else out[:, 0]

    def _read(self, group: int) -> NDArray[Any]:
        """The rows of a row group; the last one is kept, since the next call may go on in it."""
        if self._last is not None and self._last[0] == group:
            return self._last[1]
        self._last = None
        path = self._groups[group].path
        if _signature(path) != self._before[path]:
            raise OSError(f"{path} has changed since it was opened. Open it again.")
        # One thread, since the engine's are computing.
        table = self._groups[group].to_table(
            schema=self._schema, columns=self.columns, use_threads=False
        )
        rows = np.empty((table.num_rows, len(self.columns)), self.dtype)
        for i, column in enumerate(table.columns):
            if column.null_count:
                if self.dtype.kind != "f":
                    raise ValueError(
                        f"column {self.columns[i]!r} has {column.null_count} missing values. Fill "
                        "them in, or leave such rows out."
                    )
                column = column.cast("float64")
            rows[:, i] = column.to_numpy()  # missing floats are NaN, which fit refuses
        self._last = group, rows
        return rows


def _signature(path: str) -> tuple[int, int, int]:
    """What a file has no longer when it has been replaced or written to."""
    status = os.stat(path)
    return status.st_ino, status.st_size, status.st_mtime_ns


def _dtype_of(schema: Any, column: str, name: str) -> np.dtype[Any]:
    """The dtype of a column of numbers; errors for others."""
    import pyarrow as pa

    if column not in schema.names:
        known = ", ".join(schema.names[:10]) + (", ..." if len(schema.names) > 10 else "")
        raise ValueError(f"{name} has no column {column!r}; it has {known}.")
    kind = schema.field(column).type
    if pa.types.is_boolean(kind):
        return np.dtype(np.uint8)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return dtype
    what = "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else str(kind)
    if pa.types.is_dictionary(kind):
        what = "categories"
    raise TypeError(
        f"column {column!r} of {name} holds {what}, and a network reads numbers. Name other "
        "columns with columns=[...], or write the categories as numbers first, one column of 0 and "
        "1 for each."
    )


def open_parquet(path: StrPath, columns: Sequence[str] | str | None = None) -> ParquetRows:
    """Open a Parquet file, or a folder of them, as rows that are read when they are needed.

    Parameters
    ----------
    path : str or PathLike
        A file, or a folder with files of the same columns. Folders within it that are called
        ``key=value`` make a column of that key.
    columns : sequence of str or str, optional
        The columns to read, in this order; by default all. A single name gives one dimension, as
        for labels.

    Returns
    -------
    rows : ParquetRows
        With ``shape``, ``dtype`` and ``[start:stop]``, which `fit`, `predict` and `score` read in
        pieces. The names of the columns become `feature_names_in_`.

    Raises
    ------
    ImportError
        If pyarrow is not installed: ``pip install "mlpcore[arrow]"``.
    TypeError
        If a column holds text, categories or anything else but numbers.
    ValueError
        If there is no such column, or the file is no Parquet file.
    OSError
        If it cannot be read.

    Notes
    -----
    A row group is read as a whole, so that it must be smaller than half of `buffer_bytes`. Files
    with row groups of some megabytes are mixed best: ``row_group_size`` when they are written.
    """
    return ParquetRows(path, columns)
