"""Hundreds of damaged files of every format: each is taken in sanely or listed, and nothing else happens."""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil

from bindsearch.encoders import Vectors
from bindsearch.ingest.library import Library
from bindsearch.media import Media
from bindsearch.modality import Modality
from bindsearch.settings import Settings
from tests.hostile import audio_film, encoded, film, heic, jpeg, scene, sound
from tests.tiny import APART, DIMENSIONS, TinyEncoder

MUTANTS = 16  # of each sample
SILENT_SECONDS = 10.0


class WideEncoder(TinyEncoder):
    """Embeds every modality; a vector depends on nothing but what kind of medium it is of."""

    def __init__(self) -> None:
        super().__init__()
        self.space = replace(self.space, modalities=frozenset(Modality))

    def encode(self, batch: Sequence[Media]) -> Vectors:
        """One axis for each modality; every array must hold only finite numbers or marked gaps."""
        for media in batch:
            _require_sane(media)
        rows = np.zeros((len(batch), DIMENSIONS), np.float32)
        for row, media in zip(rows, batch, strict=True):
            row[list(Modality).index(media.modality)] = 1
        return rows


def _require_sane(media: Media) -> None:
    for name in type(media).__dataclass_fields__:
        value = getattr(media, name)
        if isinstance(value, np.ndarray):
            assert value.size > 0, f"{media.modality}: {name} is empty"
            assert not np.isinf(value).any() if value.dtype.kind == "f" else True
    if media.modality is Modality.AUDIO:
        assert np.isfinite(media.samples).all()


def _depth(width: int = 40, height: int = 30) -> np.ndarray:
    return (np.add.outer(np.arange(height) * 7, np.arange(width) * 11) + 900).astype(np.uint16)


def _csv() -> bytes:
    rows = ["t_s,acc_x_g,acc_y_g,acc_z_g,gyro_x_rad_s,gyro_y_rad_s,gyro_z_rad_s"]
    rows += [f"{n / 50:.2f},0.01,{n % 7 / 100},0.98,0.1,-0.{n % 9},0.02" for n in range(300)]
    return "\n".join(rows).encode()


def _json() -> bytes:
    readings = [
        {"sensor": name, "time": str(10**18 + n * 20_000_000), "x": "0.1", "y": "0.2", "z": "9.8"}
        for n in range(150)
        for name in ("accelerometer", "gyroscope")
    ]
    return json.dumps(readings).encode()


def _zip() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("Accelerometer", "Gyroscope"):
            rows = ["time,seconds_elapsed,z,y,x"]
            rows += [f"{10**18 + n * 10_000_000},{n / 100},9.8,0.1,0.{n % 9}" for n in range(300)]
            archive.writestr(f"{name}.csv", "\n".join(rows))
    return buffer.getvalue()


def _numpy(save: Callable[..., None], *arrays: np.ndarray, **named: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    save(buffer, *arrays, **named)
    return buffer.getvalue()


def _parquet() -> bytes:
    import pyarrow
    from pyarrow import parquet

    count = 300
    columns = {"t_s": np.arange(count) / 50}
    columns |= {f"acc_{axis}_g": np.full(count, 0.5) for axis in "xyz"}
    columns |= {f"gyro_{axis}_rad_s": np.full(count, 0.1) for axis in "xyz"}
    buffer = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), buffer)
    return buffer.getvalue()


def _recording(form: str, subtype: str | None = None) -> bytes:
    import soundfile

    buffer = io.BytesIO()
    tone = 0.3 * np.sin(np.arange(24_000) * 2 * np.pi * 440 / 16_000)
    soundfile.write(buffer, tone, 16_000, format=form, subtype=subtype)
    return buffer.getvalue()


def _exr(folder: Path) -> bytes:
    import OpenEXR

    path = folder / "made.exr"
    with OpenEXR.File({"type": OpenEXR.scanlineimage}, {"Z": _depth().astype(np.float32) / 1000}) as file:
        file.write(str(path))
    raw = path.read_bytes()
    path.unlink()
    return raw


def _pfm() -> bytes:
    metres = (_depth() / 1000).astype("<f4")
    return b"Pf\n%d %d\n-1.0\n" % metres.shape[::-1] + metres[::-1].tobytes()


def samples(folder: Path) -> Iterator[tuple[str, bytes]]:
    """A path within the root and the bytes of one small valid file of each format."""
    yield from (
        ("photo.jpg", jpeg()),
        ("photo.heic", heic()),
        *((f"photo.{kind.lower()}", encoded(kind)) for kind in ("PNG", "GIF", "WEBP", "BMP", "TIFF", "PPM")),
        ("photo.avif", encoded("AVIF")),
        ("photo.jp2", encoded("JPEG2000")),
        ("film.mp4", film()),
        ("film.mkv", film(container="matroska")),
        ("film.avi", film(container="avi")),
        ("only_sound.mkv", audio_film()),
        ("tone.wav", sound()),
        ("tone.flac", _recording("FLAC")),
        ("tone.aiff", _recording("AIFF")),
        ("tone.ogg", _recording("OGG", "VORBIS")),
        ("tone.opus", _recording("OGG", "OPUS")),
        ("tone.mp3", _recording("MP3")),
        ("depth/map.png", encoded("PNG", _depth())),
        ("depth/map.tiff", encoded("TIFF", _depth())),
        ("depth/map.npy", _numpy(np.save, _depth())),
        ("depth/map.npz", _numpy(np.savez_compressed, depth=_depth() / 1000)),
        ("depth/map.exr", _exr(folder)),
        ("depth/map.pfm", _pfm()),
        ("thermal/heat.png", encoded("PNG", (_depth() // 4 + 29_000).astype(np.uint16))),
        ("thermal/heat.jpg", jpeg_of_grey()),
        ("walk.csv", _csv()),
        ("walk.json", _json()),
        ("walk.zip", _zip()),
        ("walk.parquet", _parquet()),
        ("note.md", b"# A note\n\nof some words, and more of them.\n" * 20),
    )


def jpeg_of_grey() -> bytes:
    """A grey JPEG, as simple thermal cameras write them."""
    return encoded("JPEG", scene()[:, :, 0])


def mutants(raw: bytes, chance: random.Random) -> Iterator[bytes]:
    """``MUTANTS`` ways in which a file may be wrong: cut, flipped, blanked, swollen, doubled."""
    for turn in range(MUTANTS):
        broken = bytearray(raw)
        match turn % 4:
            case 0:
                del broken[chance.randrange(len(broken)) :]
            case 1:
                for _ in range(1 + turn):
                    broken[chance.randrange(len(broken))] ^= 1 << chance.randrange(8)
            case 2:  # in the header, where sizes and counts are
                at = chance.randrange(min(len(broken), 200))
                broken[at : at + 4] = chance.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\0"])
            case _:
                at = chance.randrange(len(broken))
                piece = broken[at : at + chance.randrange(1, 400)]
                broken[at:at] = piece * 3
        yield bytes(broken)


def make_mutants(folder: Path) -> list[Path]:
    """All of them in ``folder``, each beside its own kind so that habits of names hold."""
    chance = random.Random(20261122)
    made = []
    for name, raw in samples(folder):
        for number, broken in enumerate(mutants(raw, chance)):
            path = folder / name
            path = path.with_stem(f"{path.stem}_{number:02}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(broken)
            made.append(path)
    return made


def test_hundreds_of_mutated_files_are_taken_in_sanely_or_listed_and_nothing_hangs(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    made = make_mutants(folder)
    assert len(made) >= 300
    before = _children()
    settings = Settings(decoder_seconds=SILENT_SECONDS, decoder_memory=1_500_000_000)
    with Library.open(tmp_path / "library", encoder=WideEncoder(), settings=settings) as library:
        report = library.index(folder)
        listed = library.failures() + library.failures(unsupported=True)
        found = {path for modality in Modality for path in _found(library, modality)}
        again = library.index(folder)
    assert report.seen == len(made)
    assert {failure.path for failure in listed} | found == set(made)
    assert not {failure.path for failure in listed} & found
    assert all(failure.reason.strip() for failure in listed)
    assert (again.indexed, again.failed, again.unsupported) == (0, 0, 0)
    assert _children() <= before


def test_the_samples_that_are_mutated_are_themselves_read_as_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    for name, raw in samples(tmp_path):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    with Library.open(tmp_path / "library", encoder=WideEncoder()) as library:
        report = library.index(folder)
        listed = library.failures() + library.failures(unsupported=True)
        assert {failure.path.name: failure.reason for failure in listed} == {}
        assert report.indexed == report.seen
        # Other sensors' logs are read only where a rule says so; tests/loaders/test_readings.py breaks them.
        for modality in set(Modality) - {Modality.SENSOR}:
            assert _found(library, modality), f"nothing is {modality}"


def _found(library: Library, modality: Modality) -> set[Path]:
    from bindsearch.index.filters import Filter

    hits = library.search("anything", 10_000, Filter(modalities=frozenset({modality})), APART)
    return {path for hit in hits for path in (hit.path, *hit.other_paths)}


def _children() -> set[int]:
    """The processes that this one has started and that have not ended."""
    return {child.pid for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE}
