"""File systems, limits of the system and clocks: where no events come from, and what to do about it."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from bindsearch.ingest.walk import WalkOptions
from bindsearch.ingest.watching.clocks import SLEEP_SECONDS, Alarm, asleep_seconds
from bindsearch.ingest.watching.limits import advice, limit_of
from bindsearch.ingest.watching.mounts import Mount, mount_of, mounts_about, read_mounts
from bindsearch.ingest.watching.polling import Poll

MOUNTINFO = rb"""22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
31 27 0:31 /sub /home/me/My\040Photos rw master:2 propagate_from:1 - cifs //nas/photos rw
32 27 0:32 / /home/me/My\040Photos/local rw - ext4 /dev/sdb1 rw
33 27 0:33 / /mnt/back\134slash\011tab\012end rw - fuse.sshfs me@far:/ rw
34 27 0:34 / /mnt/\303\244 rw - vfat /dev/sdc1 rw
35 27 0:35 / /home/me/My\040Photos/local rw - nfs4 nas:/over rw
not a line
36 27 0:36 / /broken rw
"""


@pytest.fixture
def mounts(tmp_path: Path) -> tuple[Mount, ...]:
    (tmp_path / "mountinfo").write_bytes(MOUNTINFO)
    return read_mounts(tmp_path / "mountinfo")


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/home/me/pictures", "ext4"),
        ("/home/me/My Photos", "cifs"),
        ("/home/me/My Photos 2", "ext4"),
        ("/home/me/My Photos/local/a", "nfs4"),  # mounted over what was there
        ("/mnt/back\\slash\ttab\nend/a", "fuse.sshfs"),
        ("/mnt/ä", "vfat"),
    ],
)
def test_a_path_lies_on_the_longest_mount_point_that_holds_it(
    mounts: tuple[Mount, ...], path: str, kind: str
) -> None:
    mount = mount_of(path, mounts)
    assert mount is not None
    assert mount.kind == kind
    assert mount.is_remote == (kind not in ("ext4", "vfat"))


def test_mounts_above_and_below_a_root_are_about_it(mounts: tuple[Mount, ...]) -> None:
    assert [mount.point for mount in mounts_about("/home", mounts)] == [
        "/",
        "/home/me/My Photos",
        "/home/me/My Photos/local",
        "/home/me/My Photos/local",
    ]
    assert [mount.kind for mount in mounts_about("/var", mounts)] == ["ext4"]


def test_a_system_without_a_list_of_mounts_has_local_disks_only(tmp_path: Path) -> None:
    assert read_mounts(tmp_path / "none") == ()
    assert mount_of("/", ()) is None


def test_advice_names_the_limit_its_value_and_the_command(tmp_path: Path) -> None:
    folder = tmp_path / "fs" / "inotify"
    folder.mkdir(parents=True)
    (folder / "max_user_watches").write_text("8192\n")
    fault = OSError(errno.ENOSPC, "inotify watch limit reached")
    assert limit_of(fault, tmp_path) == 8192
    told = advice(fault, tmp_path)
    assert "fs.inotify.max_user_watches = 8192" in told
    assert "sudo sysctl fs.inotify.max_user_watches=524288" in told
    (folder / "max_user_watches").write_text("1000000\n")
    assert "max_user_watches=2000000" in advice(fault, tmp_path)
    assert "max_user_instances = unknown" in advice(OSError(errno.EMFILE, ""), tmp_path)


def test_other_faults_are_told_as_they_are() -> None:
    fault = OSError(errno.EACCES, "Permission denied")
    assert limit_of(fault) is None
    assert "Permission denied" in advice(fault)


LIMITED = """
import sys, time
from pathlib import Path
from tests.ingest.watching.following import following, modes
Path("/proc/sys/user", sys.argv[2]).write_text(sys.argv[3])
root = Path(sys.argv[1])
with following(root) as follower:
    assert modes(follower.watcher) == ["polling"], follower.watcher.roots()
    print(follower.watcher.degraded()[0])
    (root / "7" / "new.jpg").write_bytes(b"1")
    follower.until_due(root / "7" / "new.jpg")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")
@pytest.mark.parametrize(
    ("sysctl", "value"),
    [("max_inotify_watches", 5), ("max_inotify_instances", 0)],
    ids=["watches", "programs"],
)
def test_a_limit_that_is_reached_turns_to_polling_with_advice(
    tmp_path: Path, sysctl: str, value: int
) -> None:
    for number in range(20):
        (tmp_path / str(number)).mkdir()
    alone = ["unshare", "--user", "--map-root-user"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("user namespaces are not allowed here")
    command = [*alone, sys.executable, "-c", LIMITED, str(tmp_path), sysctl, str(value)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    name = "max_user_watches" if "watches" in sysctl else "max_user_instances"
    assert f"sudo sysctl fs.inotify.{name}=" in done.stdout


def test_sleep_rings_once_and_a_clock_set_back_never() -> None:
    asleep = [100.0]
    alarm = Alarm(lambda: asleep[0])
    assert not alarm.rang()
    asleep[0] += SLEEP_SECONDS
    assert alarm.rang()
    assert not alarm.rang()
    asleep[0] -= 10_000.0
    assert not alarm.rang()
    asleep[0] += SLEEP_SECONDS - 1
    assert not alarm.rang()


def test_a_machine_that_is_awake_has_not_slept() -> None:
    assert abs(asleep_seconds() - asleep_seconds()) < SLEEP_SECONDS


def test_a_poll_tells_the_folders_that_changed(tmp_path: Path) -> None:
    for name in ("a", "b", "b/deep"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "one.jpg").write_bytes(b"1")
    poll = Poll(str(tmp_path))
    assert poll.look() == []
    assert poll.look() == []
    (tmp_path / "b" / "deep" / "one.jpg").write_bytes(b"22")
    assert poll.look() == [str(tmp_path / "b" / "deep")]
    (tmp_path / "a" / "one.jpg").rename(tmp_path / "b" / "two.jpg")
    assert poll.look() == [str(tmp_path / "a"), str(tmp_path / "b")]
    (tmp_path / "b" / ".bindsearch.toml").write_text("")
    assert poll.look() == [str(tmp_path / "b")]


def test_a_poll_that_is_told_to_end_counts_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "one.jpg").write_bytes(b"1")
    poll = Poll(str(tmp_path), WalkOptions())
    poll.look()
    (tmp_path / "two.jpg").write_bytes(b"1")
    assert poll.look(lambda: False) == []
    assert poll.look() == [str(tmp_path)]


def test_a_poll_of_what_is_not_there_tells_when_it_comes(tmp_path: Path) -> None:
    poll = Poll(str(tmp_path / "later"))
    assert poll.look() == []
    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "one.jpg").write_bytes(b"1")
    assert str(tmp_path / "later") in poll.look()
