"""Motion logs in JSON: records one after another, or columns by name.

What is read:

* a list of records, or one record a line, with a number for each name: ``{"t": 0.0, "ax": 0.1, ...}``; axes
  may be nested (``{"acc": {"x": ...}}``) or in a list of three (``{"acc": [x, y, z]}``);
* records that name their sensor: ``{"sensor": "Gyroscope", "time": ..., "x": ..., "y": ..., "z": ...}`` and
  ``{"name": "gyroscope", "time": ..., "values": {"x": ...}}``, one table for each sensor;
* any of these in a list inside an object, as under ``payload``;
* lists by name: ``{"t": [...], "ax": [...]}``, also by sensor: ``{"gyroscope": {"t": [...], "x": [...]}}``.

Records are decoded one at a time, so that the text and the wanted numbers are all that is held.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from bindsearch.errors import DamagedFile
from bindsearch.loaders.motion.columns import Quantity, sensor
from bindsearch.loaders.motion.tables import MAX_COLUMNS, Cells, Scheme, Table

_SENSOR_KEYS = ("sensor", "sensorName", "sensor_name", "sensorType", "name", "type")
_MAX_TABLES = 200
_BLANK = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder(parse_int=float)
_DEVICE_KEYS = ("device name", "deviceName", "device_name", "deviceModel", "device")


class Records:
    """Tables by sensor, filled from records; ``device`` is what a record says of the device's name."""

    def __init__(self, scheme: Scheme) -> None:
        self._scheme = scheme
        self._cells: dict[str, dict[str, Cells]] = {}
        self._lengths: dict[str, int] = {}
        self._meanings: dict[str, dict[str, Any]] = {}
        self.device: str | None = None

    def add(self, record: object) -> None:
        """Take up a record, or the records in a list that it holds."""
        if not isinstance(record, dict):
            return
        inner = next((value for value in record.values() if _is_records(value)), None)
        if inner is not None:
            for one in inner:
                self._add_row(one)
        else:
            self._add_row(record)

    def tables(self) -> list[Table]:
        """What has been gathered, columns of one length each."""
        found = []
        for name, cells in self._cells.items():
            for column in cells.values():
                column.fill(self._lengths[name])
            columns = {key: column.array() for key, column in cells.items()}
            styles = {key: column.style for key, column in cells.items()}
            meanings = {key: self._meanings[name][key] for key in cells}
            found.append(Table(name, columns, meanings, styles))
        return found

    def _add_row(self, record: object) -> None:
        if not isinstance(record, dict):
            return
        name = _sensor_of(record)
        self._note_device(record)
        if name not in self._cells:
            if len(self._cells) >= _MAX_TABLES:
                return
            self._cells[name], self._lengths[name], self._meanings[name] = {}, 0, {}
        length, cells = self._lengths[name], self._cells[name]
        for key, value in _flat(record):
            if (column := self._column(name, key)) is not None and len(column.values) <= length:
                column.fill(length)
                column.add(value)
        if cells:
            self._lengths[name] += 1

    def _column(self, table: str, key: str) -> Cells | None:
        cells, meanings = self._cells[table], self._meanings[table]
        if key not in meanings:
            if len(meanings) >= MAX_COLUMNS:
                return None
            sense = meanings[key] = self._scheme.meaning(key, table)
            if sense is not None:
                cells[key] = Cells(sense.quantity is Quantity.TIME)
        return cells.get(key)

    def _note_device(self, record: dict[str, Any]) -> None:
        for key in _DEVICE_KEYS:
            if self.device is None and isinstance(record.get(key), str):
                self.device = record[key][:200]


def read_json(raw: bytes, scheme: Scheme, subject: str) -> tuple[list[Table], str | None]:
    """The tables in a JSON text, and the device's name. Raises DamagedFile for what is not JSON."""
    text = _text(raw, subject)
    records = Records(scheme)
    try:
        if text.lstrip()[:1] == "[":
            for record in _items(text):
                records.add(record)
            return records.tables(), records.device
        content = _DECODER.decode(text.strip())
    except (ValueError, RecursionError) as fault:
        raise _fault(fault, subject) from fault
    if isinstance(content, dict) and (tables := _by_column(content, scheme)):
        return tables, None
    for one in _sensor_lists(content):
        records.add(one)
    return records.tables(), records.device


def read_ndjson(raw: bytes, scheme: Scheme, subject: str) -> tuple[list[Table], str | None]:
    """As ``read_json``, for one record a line; a last line that was cut off is passed over."""
    records = Records(scheme)
    lines = _text(raw, subject).splitlines()
    for number, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            records.add(_DECODER.decode(line.strip()))
        except (ValueError, RecursionError) as fault:
            if number == len(lines) - 1 and number:
                break
            raise _fault(fault, subject) from fault
    return records.tables(), records.device


def _text(raw: bytes, subject: str) -> str:
    try:
        return raw.decode(json.detect_encoding(raw))
    except UnicodeDecodeError as fault:
        raise DamagedFile(f"not JSON: {fault.reason}", subject=subject) from fault


def _fault(fault: Exception, subject: str) -> DamagedFile:
    reason = "nested too deeply" if isinstance(fault, RecursionError) else str(fault)[:200]
    return DamagedFile(f"not JSON that can be read: {reason}", subject=subject)


def _items(text: str) -> Iterator[Any]:
    """The items of a list, one after another. Raises ValueError where it breaks off."""
    at = text.index("[") + 1
    while True:
        at = _BLANK.match(text, at).end()  # type: ignore[union-attr]
        if text[at : at + 1] == "]":
            return
        item, at = _DECODER.raw_decode(text, at)
        yield item


def _is_records(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _sensor_lists(content: object) -> Iterator[object]:
    """The records of an object, each told the sensor under whose name it is listed."""
    if not isinstance(content, dict):
        return
    named = {name: rows for name, rows in content.items() if _is_records(rows) and sensor(name)}
    for name, rows in named.items():
        for row in rows:
            yield {**row, "sensor": name} if isinstance(row, dict) else row
    if not named:
        yield content


def _by_column(content: dict[str, Any], scheme: Scheme) -> list[Table]:
    """Tables of an object that holds lists of numbers by name, or objects of such by sensor."""
    own_clocks = [
        name for name, inner in content.items() if isinstance(inner, dict) and _has_clock(inner, scheme)
    ]
    shared = {name: inner for name, inner in content.items() if name not in own_clocks}
    tables = [_listed(name, content[name], scheme) for name in own_clocks[:_MAX_TABLES]]
    tables.append(_listed("", shared, scheme))
    return [table for table in tables if table.columns]


def _has_clock(content: dict[str, Any], scheme: Scheme) -> bool:
    senses = [scheme.meaning(key, "") for key, value in content.items() if isinstance(value, list)]
    return any(sense is not None and sense.quantity is Quantity.TIME for sense in senses)


def _listed(name: str, content: dict[str, Any], scheme: Scheme) -> Table:
    lists = {
        key: value for key, value in _flat(content) if isinstance(value, list) and not _is_records(value)
    }
    chosen = scheme.chosen(list(lists), name)
    names = list(lists)
    cells = {names[place]: Cells(sense.quantity is Quantity.TIME) for place, sense in chosen.items()}
    longest = max((len(lists[key]) for key in cells), default=0)
    for key, column in cells.items():
        for value in lists[key]:
            column.add(value)
        column.fill(longest)
    return Table(
        name,
        columns={key: column.array() for key, column in cells.items()},
        meanings={names[place]: sense for place, sense in chosen.items()},
        styles={key: column.style for key, column in cells.items()},
    )


def _sensor_of(record: dict[str, Any]) -> str:
    for key in _SENSOR_KEYS:
        if isinstance(name := record.get(key), str):
            return name
    return ""


def _flat(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Names and values, with one level of nesting put into the name; ``values`` adds nothing to it."""
    for key, value in record.items():
        if isinstance(value, dict):
            prefix = "" if key in ("values", "data", "value") else f"{key}_"
            yield from ((f"{prefix}{inner}", one) for inner, one in value.items())
        elif isinstance(value, list) and len(value) == 3 and not isinstance(value[0], (list, dict, str)):
            prefix = "" if key in ("values", "data", "value") else f"{key}_"
            yield from ((f"{prefix}{axis}", one) for axis, one in zip("xyz", value, strict=True))
        else:
            yield key, value
