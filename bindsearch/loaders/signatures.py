"""What kind of file lies before us: from its first bytes first, from its name where the bytes leave it open.

Bytes that name a format without doubt (JPEG, PNG, MP4 ...) overrule the suffix. Bytes that merely look
like text never overrule the suffix of a picture or a film. The tables are the project's own because the
general libraries for this job know neither the difference between strong and weak evidence nor the
brands of the ISO container, which hold still pictures, films and sounds under one signature.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

HEAD_SIZE = 4096

_TS_PACKET = 188
_M2TS_PACKET = 192


class Family(StrEnum):
    """Which loader a file belongs to; ``OTHER`` has none.

    A ``MAP`` holds plain numbers: a depth map, heat, or, if they are in rows, a motion log. A ``TABLE`` has
    columns, or is an archive that may hold tables.
    """

    PICTURE = "picture"
    FILM = "film"
    SOUND = "sound"
    TEXT = "text"
    MAP = "map"
    TABLE = "table"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class FileKind:
    """The family and the format; for ``OTHER`` the format is a phrase such as "a PDF document"."""

    family: Family
    format: str


def _other(phrase: str) -> FileKind:
    return FileKind(Family.OTHER, phrase)


def _picture(name: str) -> FileKind:
    return FileKind(Family.PICTURE, name)


def _film(name: str) -> FileKind:
    return FileKind(Family.FILM, name)


def _sound(name: str) -> FileKind:
    return FileKind(Family.SOUND, name)


def _map(name: str) -> FileKind:
    return FileKind(Family.MAP, name)


def _table(name: str) -> FileKind:
    return FileKind(Family.TABLE, name)


TEXT = FileKind(Family.TEXT, "TEXT")
MARKDOWN = FileKind(Family.TEXT, "MARKDOWN")

# Offset, bytes, kind. Picture formats carry Pillow's names.
_SIGNATURES: tuple[tuple[int, bytes, FileKind], ...] = (
    (0, b"\xff\xd8\xff", _picture("JPEG")),
    (0, b"\x89PNG\r\n\x1a\n", _picture("PNG")),
    (0, b"GIF87a", _picture("GIF")),
    (0, b"GIF89a", _picture("GIF")),
    (0, b"II*\0", _picture("TIFF")),
    (0, b"MM\0*", _picture("TIFF")),
    (0, b"II+\0", _picture("TIFF")),
    (0, b"MM\0+", _picture("TIFF")),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", _picture("JPEG2000")),
    (0, b"\xff\x4f\xff\x51", _picture("JPEG2000")),
    (0, b"8BPS\0\x01", _picture("PSD")),
    (0, b"qoif", _picture("QOI")),
    (0, b"DDS ", _picture("DDS")),
    (0, b"\x01\xda\0", _picture("SGI")),
    (0, b"\x01\xda\x01", _picture("SGI")),
    (0, b"icns", _picture("ICNS")),
    (0, b"\x59\xa6\x6a\x95", _picture("SUN")),
    (0, b"\x1a\x45\xdf\xa3", _film("MATROSKA")),
    (0, b"FLV\x01", _film("FLV")),
    (0, b"\0\0\x01\xba", _film("MPEG")),
    (0, b"\0\0\x01\xb3", _film("MPEG")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", _film("ASF")),
    (0, b"OggS", _film("OGG")),
    (0, b"ID3", _sound("MP3")),
    (0, b"fLaC", _sound("FLAC")),
    (0, b"MThd", _other("music notation (MIDI)")),
    (0, b"#!AMR", _sound("AMR")),
    (0, b".snd", _sound("AU")),
    (0, b"MAC ", _sound("APE")),
    (0, b"wvpk", _sound("WAVPACK")),
    (0, b"caff\0\x01", _sound("CAF")),
    (0, b"\x0b\x77", _sound("AC3")),
    (0, b"\xff\x0a", _other("a JPEG XL picture")),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", _other("a JPEG XL picture")),
    (0, b"\x76\x2f\x31\x01", _map("EXR")),
    (0, b"#?RADIANCE", _other("a Radiance picture")),
    (0, b"PF\n", _map("PFM")),
    (0, b"PF\r", _map("PFM")),
    (0, b"Pf\n", _map("PFM")),
    (0, b"Pf\r", _map("PFM")),
    (0, b"\x93NUMPY", _map("NPY")),
    (0, b"\x89HDF\r\n\x1a\n", _other("an HDF5 file")),
    (0, b"PAR1", _table("PARQUET")),
    (0, b"%!PS", _other("a PostScript document")),
    (0, b"\xc5\xd0\xd3\xc6", _other("a PostScript document")),
    (0, b"%PDF", _other("a PDF document")),
    (0, b"PK\x03\x04", _other("a ZIP archive or office document")),
    (0, b"PK\x05\x06", _other("a ZIP archive")),
    (0, b"\x1f\x8b", _other("a gzip archive")),
    (0, b"BZh", _other("a bzip2 archive")),
    (0, b"\xfd7zXZ\0", _other("an xz archive")),
    (0, b"\x28\xb5\x2f\xfd", _other("a zstd archive")),
    (0, b"7z\xbc\xaf\x27\x1c", _other("a 7z archive")),
    (0, b"Rar!\x1a\x07", _other("a RAR archive")),
    (257, b"ustar", _other("a tar archive")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", _other("an old office document")),
    (0, b"\x7fELF", _other("a program")),
    (0, b"MZ", _other("a program")),
    (0, b"\xca\xfe\xba\xbe", _other("a program")),
    (0, b"\xcf\xfa\xed\xfe", _other("a program")),
    (0, b"\0asm", _other("a program")),
    (0, b"SQLite format 3\0", _other("a database")),
    (0, b"\0\x01\0\0\0", _other("a font")),
    (0, b"OTTO\0", _other("a font")),
    (0, b"wOFF", _other("a font")),
    (0, b"wOF2", _other("a font")),
)

_STILL_BRANDS = {
    b"heic": "HEIF", b"heix": "HEIF", b"heim": "HEIF", b"heis": "HEIF", b"hevc": "HEIF",
    b"hevx": "HEIF", b"hevm": "HEIF", b"hevs": "HEIF", b"mif1": "HEIF", b"msf1": "HEIF",
    b"avif": "AVIF", b"avis": "AVIF",
}  # fmt: skip
_SOUND_BRANDS = {b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B "}
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"pnot"}
_BMP_HEADER_SIZES = {12, 16, 40, 52, 56, 64, 108, 124}

PICTURE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif", ".tiff",
    ".heic", ".heif", ".heics", ".heifs", ".hif", ".avif", ".avifs", ".jp2", ".j2k", ".j2c", ".jpx", ".jpf",
    ".psd", ".pnm", ".pbm", ".pgm", ".ppm", ".qoi", ".dds", ".sgi", ".rgb", ".bw", ".icns", ".ras", ".sun",
    ".mpo",
})  # fmt: skip
# Formats whose first bytes prove nothing: only the suffix leads to them.
_SUFFIX_ONLY_PICTURES = {
    ".ico": "ICO", ".cur": "CUR", ".tga": "TGA", ".icb": "TGA", ".vda": "TGA", ".pcx": "PCX", ".dcx": "DCX",
    ".msp": "MSP", ".blp": "BLP", ".ftu": "FTEX", ".ftc": "FTEX", ".fli": "FLI", ".flc": "FLI", ".pcd": "PCD",
}  # fmt: skip
# Not here: ".ts", which is more often a program than a film; its packets are recognised.
FILM_SUFFIXES = frozenset({
    ".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mpe", ".m1v", ".m2v", ".vob",
    ".wmv", ".asf", ".flv", ".f4v", ".3gp", ".3g2", ".ogv", ".ogm", ".mts", ".m2ts", ".dv", ".divx", ".mxf",
    ".rm", ".rmvb", ".h264", ".h265", ".hevc", ".mjpg", ".mjpeg", ".y4m", ".ivf", ".nut", ".wtv",
})  # fmt: skip
TEXT_SUFFIXES = frozenset({
    ".txt", ".text", ".md", ".markdown", ".mdown", ".mkd", ".rst", ".org", ".log", ".tex", ".adoc",
    ".asciidoc",
})  # fmt: skip
_MARKDOWN_SUFFIXES = frozenset((".md", ".markdown", ".mdown", ".mkd"))
SOUND_SUFFIXES = frozenset({
    ".mp3", ".mp2", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".aac", ".ac3", ".aif", ".aiff",
    ".aifc", ".au", ".snd", ".wma", ".caf", ".amr", ".awb", ".mka", ".ape", ".wv", ".spx", ".w64", ".tta",
})  # fmt: skip
_ARCHIVED = {".npz": _map("NPZ"), ".zip": _table("ZIP")}  # both are ZIP archives by their bytes
_TEXT_TABLES = {
    ".csv": _table("CSV"), ".tsv": _table("CSV"), ".json": _table("JSON"), ".jsonl": _table("NDJSON"),
    ".ndjson": _table("NDJSON"),
}  # fmt: skip
_RAW_SUFFIXES = frozenset({
    ".dng", ".cr2", ".cr3", ".crw", ".nef", ".nrw", ".arw", ".srf", ".sr2", ".orf", ".rw2", ".raf", ".pef",
    ".srw", ".raw", ".rwl", ".3fr", ".iiq", ".x3f", ".erf",
})  # fmt: skip
_DATA_SUFFIXES = frozenset({
    *_TEXT_TABLES, *_ARCHIVED, ".xml", ".yaml", ".yml", ".toml", ".parquet", ".npy", ".pfm", ".exr",
})  # fmt: skip


def kind_of(head: bytes, suffix: str) -> FileKind:
    """The kind of a file that begins with ``head`` (not empty) and is named with ``suffix``.

    Raises ValueError with a reason when a media suffix is contradicted by the bytes.
    """
    suffix = known_suffix(suffix)
    textual = looks_like_text(head)
    if textual and suffix in TEXT_SUFFIXES:
        return _text_kind(suffix)
    sniffed = sniff(head)
    if sniffed is None:
        return _by_suffix(suffix, head, textual)
    if head.startswith(b"PK\x03\x04"):
        return _ARCHIVED.get(suffix, sniffed)
    raw = sniffed.format in ("TIFF", "MATROSKA", "MP4") and suffix in _RAW_SUFFIXES
    return _other("a raw camera picture") if raw else sniffed


def known_suffix(suffix: str) -> str:
    """``suffix`` in lower case, or "" where a dot is no sign of a kind ("notes.2024", "Dr. Who")."""
    suffix = suffix.lower()
    return suffix if re.fullmatch(r"\.(?=\w*[a-z])[a-z0-9_]{1,10}", suffix) else ""


def sniff(head: bytes) -> FileKind | None:
    """The kind that the first bytes prove, or None."""
    for offset, signature, kind in _SIGNATURES:
        if head.startswith(signature, offset):
            return kind
    return (
        _iso_container(head) or _riff(head) or _bitmap(head) or _transport_stream(head) or _mpeg_audio(head)
    )


def looks_like_text(head: bytes) -> bool:
    """Whether ``head`` could open a text file: a byte order mark, or UTF-8 without control characters."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")):
        return True
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as fault:
        # The head may end in the middle of a character.
        if fault.reason != "unexpected end of data" or len(head) - fault.start > 3 or len(head) < HEAD_SIZE:
            return False
        text = head[: fault.start].decode("utf-8")
    return not has_control_characters(text)


def has_control_characters(text: str) -> bool:
    """Whether ``text`` holds more control characters than text has (colour codes of a log are let pass)."""
    controls = len(re.findall(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]", text))
    return "\0" in text or controls * 50 > len(text)


def _by_suffix(suffix: str, head: bytes, textual: bool) -> FileKind:
    if textual and suffix in _TEXT_TABLES:
        return _TEXT_TABLES[suffix]
    if textual and suffix in PICTURE_SUFFIXES | _SUFFIX_ONLY_PICTURES.keys() | FILM_SUFFIXES | SOUND_SUFFIXES:
        raise ValueError(f"named {suffix}, but its bytes are text")
    if suffix in PICTURE_SUFFIXES:
        raise ValueError(f"named {suffix}, but its bytes are no picture that can be read")
    if suffix in _SUFFIX_ONLY_PICTURES:
        return _picture(_SUFFIX_ONLY_PICTURES[suffix])
    if suffix in FILM_SUFFIXES:
        return _film(suffix[1:].upper())
    if suffix in SOUND_SUFFIXES:
        return _sound(suffix[1:].upper())
    if suffix in TEXT_SUFFIXES:
        return _text_kind(suffix)
    return _unread(suffix, head, textual)


def _unread(suffix: str, head: bytes, textual: bool) -> FileKind:
    if suffix in _RAW_SUFFIXES:
        return _other("a raw camera picture")
    if suffix in _DATA_SUFFIXES:
        return _other(f"data of the kind {suffix}")
    if textual and not suffix:
        return _other("a script") if head.startswith(b"#!") else TEXT
    return _other(f"text of the kind {suffix}" if textual else f"an unknown kind of file {suffix}".rstrip())


def _text_kind(suffix: str) -> FileKind:
    return MARKDOWN if suffix in _MARKDOWN_SUFFIXES else TEXT


def _iso_container(head: bytes) -> FileKind | None:
    """ISO base media: still pictures, films and sounds are told apart by their brands (ISO 14496-12, 4.3)."""
    if head[4:8] in _QUICKTIME_ATOMS:
        return _film("MP4")
    if head[4:8] != b"ftyp":
        return None
    end = min(int.from_bytes(head[:4]), 256, len(head))
    brands = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    if brands[0] == b"crx ":
        return _other("a raw camera picture")
    if brands[0] in _STILL_BRANDS:
        # The major brand may be the general "mif1"; the compatible ones then name the coding.
        return _picture("AVIF" if {b"avif", b"avis"} & set(brands) else _STILL_BRANDS[brands[0]])
    return _sound("M4A") if brands[0] in _SOUND_BRANDS else _film("MP4")


def _riff(head: bytes) -> FileKind | None:
    forms = {b"WEBP": _picture("WEBP"), b"AVI ": _film("AVI"), b"WAVE": _sound("WAV")}
    if head[:4] in (b"RIFF", b"RF64"):
        return forms.get(head[8:12])
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return _sound("AIFF")
    return None


def _bitmap(head: bytes) -> FileKind | None:
    """BMP and the portable maps, whose two letters alone prove nothing."""
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_SIZES:
        return _picture("BMP")
    return _picture("PPM") if re.match(rb"P[1-6]\s+(#|\d+\s)", head) else None


def _transport_stream(head: bytes) -> FileKind | None:
    for start, step in ((0, _TS_PACKET), (4, _M2TS_PACKET)):
        syncs = head[start : start + 5 * step : step]
        if len(syncs) == 5 and set(syncs) == {0x47}:
            return _film("MPEG-TS")
    return None


def _mpeg_audio(head: bytes) -> FileKind | None:
    """A frame of MPEG audio or of AAC in ADTS: eleven set bits, then fields that are not "reserved"."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0 or head[1] == 0xFE:  # UTF-16 begins FF FE
        return None
    if head[1] & 0xF6 == 0xF0:
        return _sound("AAC")
    reserved = (
        head[1] & 0x18 == 0x08 or head[1] & 0x06 == 0 or head[2] & 0xF0 == 0xF0 or head[2] & 0x0C == 0x0C
    )
    return None if reserved else _sound("MP3")
