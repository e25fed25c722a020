"""File systems: of what kind the one below a path is, and whether it tells of changes.

Linux lists what is mounted in ``/proc/self/mountinfo`` (proc(5)). A file system that lives on another machine
tells only of what is changed from here, so it is polled. Elsewhere the list is empty and every file system
is taken for a local one.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from bindsearch.index.paths import descends

MOUNTINFO = Path("/proc/self/mountinfo")

REMOTE_KINDS = frozenset(
    {
        "nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "9p", "virtiofs", "ceph", "glusterfs",
        "lustre", "beegfs", "gfs2", "ocfs2", "coda", "davfs", "vboxsf", "vmhgfs", "prl_fs", "orangefs",
        "fuse.sshfs", "fuse.rclone", "fuse.s3fs", "fuse.davfs2", "fuse.gvfsd-fuse", "fuse.glusterfs",
        "fuse.ceph", "fuse.vmhgfs-fuse", "fuse.curlftpfs", "fuse.smbnetfs", "fuse.kio-fuse", "fuse.gcsfuse",
        "fuse.juicefs", "fuse.onedriver", "fuse.google-drive-ocamlfuse", "fuse.cifs", "fuse.portal",
        "fuse.grpcfuse", "fakeowner", "drvfs", "wslfs",
    }
)  # fmt: skip
_ESCAPE = re.compile(rb"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """A mounted file system: where, of what kind, and by which device number."""

    point: str
    kind: str
    device: str

    @property
    def is_remote(self) -> bool:
        """Whether others can change what it holds without this machine knowing."""
        return self.kind in REMOTE_KINDS


def read_mounts(source: Path = MOUNTINFO) -> tuple[Mount, ...]:
    """All that is mounted, what came later last; nothing where the system does not tell."""
    try:
        lines = source.read_bytes().splitlines()
    except OSError:
        return ()
    return tuple(mount for line in lines if (mount := _mount(line)) is not None)


def mount_of(path: str, mounts: tuple[Mount, ...]) -> Mount | None:
    """What ``path``, free of links, lies on: the longest mount point that holds it, the last of several."""
    best: Mount | None = None
    for mount in mounts:
        if descends(path, mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    return best


def mounts_about(path: str, mounts: tuple[Mount, ...]) -> tuple[Mount, ...]:
    """What ``path`` lies on and what is mounted below it: when this changes, other files are to be seen."""
    own = mount_of(path, mounts)
    return tuple(mount for mount in mounts if mount is own or descends(mount.point, path))


def _mount(line: bytes) -> Mount | None:
    """One line: id, parent, device, root, point, options, any number of tags, a dash, the kind, ..."""
    fields = line.split(b" ")
    try:
        dash = fields.index(b"-", 6)
        point, device, kind = fields[4], fields[2], fields[dash + 1]
    except (ValueError, IndexError):
        return None
    plain = _ESCAPE.sub(lambda found: bytes([int(found[1], 8) & 255]), point)
    return Mount(_decoded(plain), _decoded(kind), _decoded(device))


def _decoded(field: bytes) -> str:
    return os.fsdecode(field)
