"""What working with weights needs beyond a plain installation."""

from __future__ import annotations

from bindsearch.errors import EncoderError

EXTRA = "pip install 'bindsearch[imagebind]'"


def require_torch() -> None:
    """EncoderError naming the extra if torch or safetensors cannot be imported."""
    try:
        import safetensors  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        raise EncoderError(f"needs {error.name}", subject="bindsearch[imagebind]", hint=EXTRA) from error
