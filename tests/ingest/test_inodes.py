"""Inode numbers: believed where the file system has them, not where it makes them up."""

from __future__ import annotations

import os
from pathlib import Path

from bindsearch.index.records import FileStat
from bindsearch.ingest.inodes import UNKNOWN, Inodes, same_file

MOUNTS = """\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 8:17 / /media/a\\040card rw,nosuid shared:2 master:1 - vfat /dev/sdb1 rw,utf8
41 22 0:60 / /home/me/far rw,nosuid - fuse.sshfs me@far:/ rw
42 22 8:33 / /media/windows rw - fuseblk /dev/sdc1 rw
"""
EXT4, FAT, FAR, NTFS = os.makedev(8, 1), os.makedev(8, 17), os.makedev(0, 60), os.makedev(8, 33)


def test_fat_and_drives_in_user_space_have_no_inodes(tmp_path: Path) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    inodes = Inodes(tmp_path / "mountinfo")
    kept = {device: inodes.checked(FileStat(1, 2, 3, device)).inode for device in (EXT4, FAT, FAR, NTFS)}
    assert kept == {EXT4: 3, FAT: UNKNOWN, FAR: UNKNOWN, NTFS: 3}


def test_without_a_list_of_mounts_every_inode_is_believed(tmp_path: Path) -> None:
    assert Inodes(tmp_path / "nothing").checked(FileStat(1, 2, 3, FAT)) == FileStat(1, 2, 3, FAT)


def test_a_file_without_an_inode_is_the_same_by_size_and_time() -> None:
    assert same_file(FileStat(1, 2, 3, 4), FileStat(1, 2, UNKNOWN, 9))
    assert same_file(FileStat(1, 2, 3, 4), FileStat(1, 2, 3, 9)), "devices change from mount to mount"
    assert not same_file(FileStat(1, 2, 3, 4), FileStat(1, 2, 5, 4))
    assert not same_file(FileStat(1, 2, UNKNOWN, 4), FileStat(1, 3, UNKNOWN, 4))


def test_this_system_tells_of_its_own_mounts() -> None:
    status = Path(__file__).stat()
    stat = FileStat(status.st_size, status.st_mtime_ns, status.st_ino, status.st_dev)
    assert Inodes().checked(stat).size == stat.size
