"""Motion logs in Parquet, through pyarrow where it is installed: only the wanted columns are decoded."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bindsearch.errors import DamagedFile, UnsupportedFile
from bindsearch.loaders.motion.columns import Meaning, Quantity
from bindsearch.loaders.motion.tables import Cells, Scheme, Style, Table, sane
from bindsearch.loaders.motion.units import Reals

if TYPE_CHECKING:
    import pyarrow

_TICKS = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}  # a second


def read_parquet(path: Path, name: str, scheme: Scheme, limit: int, subject: str) -> Table:
    """The table at ``path``; with no columns when none of them means anything.

    Raises UnsupportedFile where pyarrow is missing; DamagedFile for what it cannot read, and when the
    header claims more than ``limit`` bytes for the wanted columns.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as fault:
        hint = "pip install 'bindsearch[parquet]'"
        raise UnsupportedFile("Parquet needs pyarrow", subject=subject, hint=hint) from fault
    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            chosen = {names[place]: sense for place, sense in scheme.chosen(names, name).items()}
            _check_size(file.metadata, chosen, limit, subject)
            columns: dict[str, list[Reals]] = {key: [] for key in chosen}
            styles: dict[str, Style] = {}
            for group in range(file.num_row_groups if chosen else 0):
                data = file.read_row_group(group, columns=list(chosen), use_threads=False)
                for key, sense in chosen.items():
                    values, styles[key] = _numbers(data.column(key), sense)
                    columns[key].append(values)
    except (pyarrow.ArrowException, OSError, ValueError, KeyError, TypeError, OverflowError) as fault:
        reason = str(fault).split("\n")[0][:200]
        raise DamagedFile(f"not a Parquet file that can be read: {reason}", subject=subject) from fault
    joined = {key: np.concatenate(parts) for key, parts in columns.items() if parts}
    return Table(name, joined, {key: chosen[key] for key in joined}, styles)


def _check_size(metadata: Any, chosen: dict[str, Meaning], limit: int, subject: str) -> None:
    """Only sums are asked for: pyarrow ends the process over a broken description of a column."""
    readings = metadata.num_rows * 8 * max(len(chosen), 1)
    claimed = sum(metadata.row_group(group).total_byte_size for group in range(metadata.num_row_groups))
    if min(readings, claimed) < 0 or max(readings, claimed) > limit:
        raise DamagedFile(f"too large: it claims {max(readings, claimed):,} bytes", subject=subject)


def _numbers(column: pyarrow.ChunkedArray, sense: Meaning) -> tuple[Reals, Style]:
    """A column as numbers, missing cells NaN; timestamps as seconds since 1970."""
    import pyarrow
    from pyarrow import types

    kind = column.type
    if types.is_timestamp(kind):
        ticks = column.cast(pyarrow.int64()).cast(pyarrow.float64(), safe=False)
        style = Style.DATE if kind.tz else Style.LOCAL_DATE
        return _plain(ticks) / _TICKS[kind.unit], style
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return _plain(column.cast(pyarrow.float64(), safe=False)), Style.NUMBER
    if types.is_string(kind) or types.is_large_string(kind):
        cells = Cells(sense.quantity is Quantity.TIME)
        for cell in column.to_pylist():
            cells.add(cell)
        return cells.array(), cells.style
    return np.full(len(column), math.nan), Style.NUMBER


def _plain(column: pyarrow.ChunkedArray) -> Reals:
    return sane(column.to_numpy().astype(np.float64))
