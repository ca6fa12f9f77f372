"""Doing things as a user who is not root, for real: tests that need it are skipped where we are not root ourselves."""

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

OTHER = "nobody"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_other(script: str, *, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run a shell script as another user, without any of root's groups."""
    return subprocess.run(
        ["/bin/sh", "-c", script],
        cwd=cwd,
        user=OTHER,
        group=pwd.getpwnam(OTHER).pw_gid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )


@contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that everybody may enter, unlike pytest's own."""
    path = Path(tempfile.mkdtemp(prefix="traind-test-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        for each in path.rglob("*"):
            if each.is_dir() and not each.is_symlink():
                each.chmod(0o700)
        shutil.rmtree(path)


@contextmanager
def everyday_user() -> "Iterator[tuple[Path, dict[str, object], str]]":
    """A directory, arguments for subprocess and a Python with which a run is that of a user who is not root.

    That is us, if we are not root ourselves; else another, with a Python that they may read where ours is root's alone.
    """
    with open_directory() as top:
        home = top / "home"
        home.mkdir(mode=0o700)
        env = os.environ | {"HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
        if os.geteuid() != 0:
            yield home, {"env": env}, sys.executable
            return
        user = pwd.getpwnam(OTHER)
        os.chown(home, user.pw_uid, user.pw_gid)
        python = sys.executable
        if as_other(f"{python} -c 0", cwd=top).returncode:
            python = str(_readable_python(top / "python"))
            env |= {"PYTHONHOME": str(top / "python"), "LD_LIBRARY_PATH": str(top / "python" / "lib")}
            env["PYTHONPATH"] = os.pathsep.join([*sys.path[1:], sysconfig.get_paths()["purelib"]])
        yield home, {"env": env, "user": OTHER, "group": user.pw_gid, "extra_groups": []}, python


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy(source, target)
    return target


def _readable_python(top: Path) -> Path:
    """The interpreter and its standard library once more, by hard links, outside a home directory that is closed."""
    base, version = Path(sys.base_prefix), f"python{sys.version_info.major}.{sys.version_info.minor}"
    for part in ("bin", "lib"):
        (top / part).mkdir(parents=True, mode=0o755)
    shutil.copytree(
        base / "lib" / version,
        top / "lib" / version,
        copy_function=_link_or_copy,
        ignore=shutil.ignore_patterns("site-packages", "test", "__pycache__"),
    )
    for library in (base / "lib").glob("libpython*"):
        shutil.copy(library, top / "lib", follow_symlinks=True)
    python = top / "bin" / version
    shutil.copy(Path(sys.executable).resolve(), python)
    return python
