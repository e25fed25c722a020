"""Opening films and sounds with PyAV: no addresses, no playlists, no endless waits, every fault explained."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bindsearch.errors import DamagedFile
from bindsearch.loaders.files import open_regular

if TYPE_CHECKING:
    from av.container import InputContainer

# Playlists (HLS, DASH, concat) are not here: they name other files and addresses to read.
_CONTAINERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg,mpegts,mpegvideo,flv,live_flv,asf,ogg,mxf,dv,rm,h264,hevc,m4v,"
    "mjpeg,yuv4mpegpipe,ivf,nut,wtv,obu,av1,"
    "mp3,aac,wav,flac,ac3,eac3,aiff,au,caf,w64,amr,amrnb,amrwb,wv,tta,ape,tak,dts,dtshd,truehd,mlp,mpc,mpc8,voc,"
    "loas,dsf,iff,shn,gsm,sox,ircam,qcp,xwma"
)
_TIMEOUT_SECONDS = 60.0


@contextmanager
def open_container(path: Path, noun: str) -> Iterator[InputContainer]:
    """The file as a container, always closed again. ``noun`` is what it should be, as "film".

    Raises DamagedFile for whatever is wrong with it, then or while it is read.
    """
    import av

    open_regular(path).close()
    try:
        # "file:" keeps a name such as "http:x" from being taken for an address.
        with av.open(
            f"file:{path.absolute()}",
            options={"protocol_whitelist": "file", "format_whitelist": _CONTAINERS},
            metadata_errors="replace",
            timeout=_TIMEOUT_SECONDS,
        ) as container:
            yield container
    except (av.FFmpegError, OSError, ValueError, OverflowError, MemoryError) as fault:
        raise explained(path, noun, fault) from fault


def explained(path: Path, noun: str, fault: BaseException) -> DamagedFile:
    """What is wrong with the file, in a decoder's words."""
    if isinstance(fault, MemoryError):
        return DamagedFile("needs more memory than there is", subject=os.fspath(path))
    detail = " ".join((getattr(fault, "strerror", None) or str(fault)).split())
    reason = f"not a {noun} that can be read: {detail[:200].lower()}".rstrip(": ")
    return DamagedFile(reason, subject=os.fspath(path))
