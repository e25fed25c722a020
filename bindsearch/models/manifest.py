"""What is known of a model: the offer that it can be pulled by, and the manifest that it is installed with.

Both are JSON with the same fields; an installed one also lists its files, and its ``source`` tells where
the checkpoint came from and the sha256 that was measured. A model that was made on a machine rather than
fetched has no source.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bindsearch.errors import EncoderError
from bindsearch.modality import Modality

FORMAT = 1
MANIFEST_FILE = "manifest.json"
MADE_HERE = "bound"  # the family of models that come from no checkpoint
_ID = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
_FILE = re.compile(r"[a-z0-9][a-z0-9._-]*\.(safetensors|onnx)")
_NOWHERE: dict[str, Any] = {"url": "", "size": 0}
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Source:
    """A checkpoint: its address, its size in bytes and its sha256, None where nobody has published one."""

    url: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class TowerFile:
    """One file of an installed model: its name in the folder, its size in bytes and its sha256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelManifest:
    """What a model says of itself; ``files`` is empty for one that is only offered.

    ``family`` names the encoder that understands the files and ``config`` is what it has to be told that the
    weights' shapes do not say; ``terms`` are what a person should know of the licence before pulling.
    """

    id: str
    family: str
    revision: str
    dimensions: int
    preprocessing: str
    modalities: frozenset[Modality]
    licence: str
    licence_url: str
    terms: str
    source: Source
    files: tuple[TowerFile, ...] = ()
    config: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> ModelManifest:
        """The manifest in the file ``path``; EncoderError if it is absent or cannot be understood."""
        return cls.of(read_content(path), path)

    @classmethod
    def of(cls, content: dict[str, Any], path: Path) -> ModelManifest:
        """What ``content``, read from ``path``, says; EncoderError if that cannot be understood."""
        try:
            return _parsed(content)
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(f"misses or misstates {error}", subject=str(path)) from error

    def to_json(self) -> str:
        """The text that ``read`` reads."""
        content = {"format": FORMAT} | asdict(self) | {"modalities": sorted(self.modalities)}
        return json.dumps(content, indent=2) + "\n"

    @property
    def size(self) -> int:
        """Bytes of all files of an installed model; of one that is offered, of its checkpoint."""
        return sum(file.size for file in self.files) or self.source.size

    @property
    def weights_sha256(self) -> str:
        """One sha256 for all files together, by which spaces of other weights are told apart."""
        lines = sorted(f"{file.name}  {file.sha256}\n" for file in self.files)
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def is_id(text: str) -> bool:
    """Whether a model may be called so: ids become names of folders."""
    return bool(_ID.fullmatch(text))


def read_content(path: Path) -> dict[str, Any]:
    """What stands in the manifest at ``path``; EncoderError if it is absent or of another format."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise EncoderError(error.strerror or "cannot be read", subject=str(path)) from error
    except (ValueError, RecursionError) as error:
        raise EncoderError("is not JSON", subject=str(path)) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise EncoderError(f"is not a model manifest of format {FORMAT}", subject=str(path))
    return content


def _parsed(content: dict[str, Any]) -> ModelManifest:
    source = content.get("source", _NOWHERE) if content["family"] == MADE_HERE else content["source"]
    return ModelManifest(
        id=_matching(_ID, content["id"]),
        family=str(content["family"]),
        revision=_matching(_ID, content["revision"]),
        dimensions=int(content["dimensions"]),
        preprocessing=_matching(_ID, content["preprocessing"]),
        modalities=frozenset(Modality(name) for name in content["modalities"]),
        licence=str(content["licence"]),
        licence_url=str(content.get("licence_url", "")),
        terms=str(content.get("terms", "")),
        source=Source(
            str(source["url"]),
            int(source["size"]),
            None if source.get("sha256") is None else _matching(_SHA256, source["sha256"]),
        ),
        files=tuple(_tower_file(entry) for entry in content.get("files", ())),
        config=dict(content.get("config", {})),
    )


def _tower_file(entry: dict[str, Any]) -> TowerFile:
    return TowerFile(_matching(_FILE, entry["name"]), int(entry["size"]), _matching(_SHA256, entry["sha256"]))


def _matching(pattern: re.Pattern[str], value: object) -> str:
    """``value`` if all of it fits, since ids and names become paths; else ValueError."""
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(repr(value))
    return value
