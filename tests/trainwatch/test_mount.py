"""Which file system a path lies on."""

from pathlib import Path

import pytest

from trainwatch import mount

MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:40 / /home rw shared:9 - nfs4 server:/home rw,vers=4.2
31 30 0:41 / /home/ann/far\\040away rw - fuse.sshfs host:/ rw
32 22 0:42 / /home/local rw - xfs /dev/vdb rw
33 22 0:43 / /homes rw - tmpfs tmpfs rw
nonsense
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/var/x", "ext4"), ("/home/ann/.cache", "nfs4"), ("/home/ann/far away/x", "sshfs"), ("/home/local/x", "xfs"),
        ("/homes/x", "tmpfs"), ("/", "ext4"),
    ],
)  # fmt: skip
def test_the_nearest_mount_above_counts(path: str, kind: str) -> None:
    assert mount.kind_of(Path(path), MOUNTS) == kind


def test_what_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mount, "MOUNTS", tmp_path / "mountinfo")
    assert not mount.is_remote(tmp_path)
    mount.MOUNTS.write_text(f"1 0 0:1 / {tmp_path.resolve()} rw - nfs server:/ rw\n", encoding="utf-8")
    assert mount.is_remote(tmp_path / "x")
