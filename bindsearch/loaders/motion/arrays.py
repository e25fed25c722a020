"""Motion logs as NumPy arrays: NPZ with an array for each sensor, NPY and NPZ with six or seven columns.

Headers are read with our own expression, and the size they claim is compared with the bytes that are there,
before NumPy is asked; nothing is ever unpickled. Six columns without names are taken for ax, ay, az, gx,
gy, gz (seven: t first) only where a rule says so or gravity shows in the first three and not in the others.
"""

from __future__ import annotations

import io
import math
import re

import numpy as np
from numpy.typing import NDArray

from bindsearch.errors import DamagedFile
from bindsearch.loaders.motion.columns import Quantity, plain_name, sensor
from bindsearch.loaders.motion.tables import STANDARD_NAMES, Scheme, Table, sane
from bindsearch.loaders.motion.units import Reals

_MAGIC = b"\x93NUMPY"
_HEADER = re.compile(
    r"\{\s*'descr':\s*'([<>|=]?[a-zA-Z?]\d*(?:\[\w+\])?)',\s*'fortran_order':\s*(?:True|False),\s*"
    r"'shape':\s*\(((?:\d{1,18}L?,?\s*)*)\),?\s*\}\s*"
)
_MAX_HEADER = 10_000
RATES = ("rate", "hz", "fs", "samplingrate", "samplerate", "frequency", "samplingfrequency", "rateHz")


def read_array(raw: bytes, subject: str) -> NDArray[np.generic]:
    """The array in the bytes of an NPY file.

    Raises DamagedFile when its header is not one of plain numbers or claims other than is there.
    """
    shape, kind = _claimed(raw, subject)
    if kind.kind not in "fiubM":
        raise DamagedFile(f"an array of {kind}, not of numbers", subject=subject)
    try:
        found: NDArray[np.generic] = np.load(io.BytesIO(raw), allow_pickle=False)
    except (ValueError, OSError, EOFError, OverflowError) as fault:
        raise DamagedFile(f"not an array that can be read: {fault}", subject=subject) from fault
    if found.shape != shape:
        raise DamagedFile("an array whose shape is in doubt", subject=subject)
    return found


def table_of_array(array: NDArray[np.generic], scheme: Scheme, name: str = "") -> Table:
    """The table in one array (n, 6), (n, 7), or turned; with no columns for any other shape."""
    turned = _in_rows(array)
    if turned is None:
        return Table(name, {}, {})
    rows = numbers(turned)
    if scheme.numbered:
        names = [str(place + 1) for place in range(rows.shape[1])]
        chosen = scheme.chosen(names, "")
        columns = {names[place]: rows[:, place].copy() for place in chosen}
        return Table(name, columns, {names[place]: sense for place, sense in chosen.items()})
    names = list(STANDARD_NAMES[-rows.shape[1] :])
    senses = Scheme().chosen(names, "")
    columns = {standard: rows[:, place].copy() for place, standard in enumerate(names)}
    meanings = {names[place]: sense for place, sense in senses.items()}
    return Table(name, columns, meanings, positional=True)


def tables_of_arrays(arrays: dict[str, NDArray[np.generic]], scheme: Scheme) -> list[Table]:
    """The tables in named arrays: one for each sensor's (n, 3), all sharing the clock of their length."""
    rate = next((one_number(arrays[key]) for key in arrays if plain_name(key) in RATES), None)
    flat = {key: numbers(array) for key, array in arrays.items() if array.ndim == 1 and array.size > 1}
    lengths = {array.shape[0] for array in arrays.values() if array.ndim in (1, 2) and array.size > 1}
    tables = [_of_length(length, arrays, flat, scheme) for length in sorted(lengths)]
    tables = [table for table in tables if table.has_sensors]
    if not tables:
        tables = [
            table_of_array(array, scheme, key)
            for key, array in arrays.items()
            if array.ndim == 2 and _in_rows(array) is not None
        ]
        for table in tables:
            _with_clock(table, flat, scheme)
    for table in tables:
        table.rate = rate
    return tables


def _of_length(
    length: int, arrays: dict[str, NDArray[np.generic]], flat: dict[str, Reals], scheme: Scheme
) -> Table:
    columns = {key: values for key, values in flat.items() if len(values) == length}
    for key, array in arrays.items():
        if array.ndim == 2 and array.shape == (length, 3) and sensor(key):
            values = numbers(array)
            columns.update({f"{key}_{axis}": values[:, place].copy() for place, axis in enumerate("xyz")})
    names = list(columns)
    senses = {names[place]: sense for place, sense in scheme.chosen(names, "").items()}
    return Table("", {name: columns[name] for name in senses}, senses)


def _with_clock(table: Table, flat: dict[str, Reals], scheme: Scheme) -> None:
    """Give ``table`` the one-dimensional arrays of its length that are times."""
    length = max((len(column) for column in table.columns.values()), default=0)
    for key, values in flat.items():
        sense = scheme.meaning(key, "")
        if sense and sense.quantity is Quantity.TIME and len(values) == length:
            table.columns[key], table.meanings[key] = values, sense


def _claimed(raw: bytes, subject: str) -> tuple[tuple[int, ...], np.dtype[np.generic]]:
    """Shape and type that a header claims, which the bytes after it bear out."""
    if len(raw) < 12 or not raw.startswith(_MAGIC) or raw[6] not in (1, 2, 3):
        raise DamagedFile("not a NumPy array", subject=subject)
    start = 10 if raw[6] == 1 else 12
    size = int.from_bytes(raw[8:start], "little")
    header = raw[start : start + min(size, _MAX_HEADER)].decode("latin-1")
    match = _HEADER.fullmatch(header)
    if match is None:
        raise DamagedFile("an array whose header is not of plain numbers", subject=subject)
    shape = tuple(int(part) for part in re.findall(r"\d+", match[2]))
    try:
        kind: np.dtype[np.generic] = np.dtype(match[1])
    except (TypeError, ValueError) as fault:
        raise DamagedFile(f"an array of an unknown type: {match[1]}", subject=subject) from fault
    claimed, there = math.prod(shape) * kind.itemsize, len(raw) - start - size
    if claimed > there:
        raise DamagedFile(
            f"truncated: {claimed:,} bytes of numbers claimed, {there:,} there", subject=subject
        )
    return shape, kind


def numbers(array: NDArray[np.generic]) -> Reals:
    """``array`` as numbers: moments as seconds since 1970, NaN for what no sensor reads."""
    if array.dtype.kind == "M":
        seconds = array.astype("datetime64[ns]").astype(np.int64) / 1e9
        return np.where(np.isnat(array), np.nan, seconds)
    return sane(array.astype(np.float64))


def _in_rows(array: NDArray[np.generic]) -> NDArray[np.generic] | None:
    if array.ndim != 2 or min(array.shape) < 2:
        return None
    if array.shape[1] in (6, 7) and array.shape[0] > 7:
        return array
    return array.T if array.shape[0] in (6, 7) and array.shape[1] > 7 else None


def one_number(array: NDArray[np.generic]) -> float | None:
    """The number above 0 that an array of one value holds, else None."""
    if array.size != 1 or array.dtype.kind not in "fiu":
        return None
    value = float(array.reshape(-1)[0].item())
    return value if math.isfinite(value) and value > 0 else None
