"""What a folder of compact weights holds, as its ``manifest.json`` says.

The manifest names the space, its towers (each serves one or more modalities) and every weight file
with its size and sha256. Sizes are compared whenever a tower is loaded, because that costs nothing and finds
a file that was cut short; ``verify`` reads every byte.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bindsearch.encoders.protocol import Space
from bindsearch.errors import EncoderError
from bindsearch.modality import Modality

WEIGHTS = Path(__file__).parent / "weights"
FORMAT = 1
REINSTALL = "install bindsearch again"


@dataclass(frozen=True, slots=True)
class WeightFile:
    """One file: its name in the folder, its size in bytes and the sha256 of its bytes."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Tower:
    """One network: ``model`` is its ONNX file, ``tokenizer`` turns text into ids where it needs them."""

    name: str
    modalities: frozenset[Modality]
    model: str
    tokenizer: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """The manifest of one folder. Make it with ``Manifest.read``."""

    folder: Path
    id: str
    revision: str
    dimensions: int
    preprocessing: str
    licence: str
    towers: tuple[Tower, ...]
    files: tuple[WeightFile, ...]

    @classmethod
    def read(cls, folder: Path = WEIGHTS) -> Manifest:
        """The manifest of ``folder``; EncoderError if it is absent or cannot be understood."""
        path = folder / "manifest.json"
        try:
            content = json.loads(path.read_bytes())
        except OSError as error:
            reason = error.strerror or "cannot be read"
            raise EncoderError(reason, subject=str(path), hint=REINSTALL) from error
        except ValueError as error:
            raise EncoderError("is not JSON", subject=str(path), hint=REINSTALL) from error
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise EncoderError(f"is not a manifest of format {FORMAT}", subject=str(path), hint=REINSTALL)
        try:
            return cls._parsed(folder, content)
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(f"misses or misstates {error}", subject=str(path), hint=REINSTALL) from error

    @classmethod
    def _parsed(cls, folder: Path, content: dict[str, Any]) -> Manifest:
        return cls(
            folder=folder,
            id=content["id"],
            revision=content["revision"],
            dimensions=int(content["dimensions"]),
            preprocessing=content["preprocessing"],
            licence=content["licence"],
            towers=tuple(_tower(entry) for entry in content["towers"]),
            files=tuple(WeightFile(f["name"], int(f["size"]), f["sha256"]) for f in content["files"]),
        )

    @property
    def space(self) -> Space:
        """The identity of the space that these weights span."""
        modalities = frozenset(modality for tower in self.towers for modality in tower.modalities)
        return Space(self.id, self.revision, self._digest(), self.dimensions, modalities, self.preprocessing)

    @property
    def size(self) -> int:
        """Bytes of all weight files together."""
        return sum(file.size for file in self.files)

    def tower_for(self, modality: Modality) -> Tower:
        """The tower that serves ``modality``; EncoderError if there is none."""
        for tower in self.towers:
            if modality in tower.modalities:
                return tower
        known = ", ".join(sorted(self.space.modalities))
        raise EncoderError(f"has no tower for {modality}", subject=self.id, hint=f"it knows {known}")

    def path_of(self, name: str) -> Path:
        """The path of a weight file, whose size has been compared; EncoderError if that is not as it was."""
        file = next((file for file in self.files if file.name == name), None)
        if file is None:
            raise EncoderError(f"lists no file {name}", subject=str(self.folder), hint=REINSTALL)
        path = self.folder / file.name
        try:
            size = path.stat().st_size
        except OSError as error:
            raise EncoderError("weights are missing", subject=str(path), hint=REINSTALL) from error
        if size != file.size:
            raise EncoderError(
                f"weights have {size} bytes instead of {file.size}", subject=str(path), hint=REINSTALL
            )
        return path

    def check_sizes(self) -> None:
        """EncoderError for the first weight file that is missing or has not the size in the manifest."""
        for file in self.files:
            self.path_of(file.name)

    def verify(self) -> None:
        """Read every byte of every weight file; EncoderError for the first that is not as it was made."""
        for file in self.files:
            path = self.path_of(file.name)
            with path.open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if found != file.sha256:
                raise EncoderError("weights are damaged", subject=str(path), hint=REINSTALL)

    def _digest(self) -> str:
        lines = "".join(f"{file.sha256}  {file.name}\n" for file in sorted(self.files, key=lambda f: f.name))
        return hashlib.sha256(lines.encode()).hexdigest()


def _tower(entry: dict[str, Any]) -> Tower:
    modalities = frozenset(Modality(name) for name in entry["modalities"])
    return Tower(entry["name"], modalities, entry["model"], entry.get("tokenizer"))
