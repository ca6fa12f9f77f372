"""Where messages go: URLs from an environment variable or from a private file. No text of theirs is ever repeated.

Such a URL is a secret as a whole (a bot's token can stand anywhere in it), so that a target is known by its number and
the word before the colon alone.
"""

import importlib.util
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from traind.config_notify import Notify

MAX_FILE_BYTES = 64 * 1024
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9]{1,15})://")


class AddressError(Exception):
    """There is nowhere to send to. The text names the key and the cure, and no URL."""


def read(notify: Notify, env: Mapping[str, str]) -> list[str]:
    """The URLs, one a line; lines that are blank or begin with # aside. Raises AddressError."""
    if notify.urls_file is not None:
        key, text = f"notify.urls_file = {notify.urls_file!r}", _private(notify.urls_file)
    else:
        key, text = f"notify.urls_env = {notify.urls_env!r}", env.get(notify.urls_env or "", "")
        if not text.strip():
            raise AddressError(f"{key}: no such environment variable here; set it to apprise URLs, one a line")
    urls = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not urls:
        raise AddressError(f"{key}: holds no URL; write apprise URLs into it, one a line, e.g. ntfy://TOPIC")
    for number, url in enumerate(urls, start=1):
        if not _SCHEME.match(url):
            raise AddressError(f"{key}: URL {number} does not begin with SERVICE://; see docs/notify.md")
    return urls


def scheme(url: str) -> str:
    """All that may be said of a URL: which service it is."""
    found = _SCHEME.match(url)
    return found[1].lower() if found else "?"


def faults(notify: Notify) -> list[str]:
    """What keeps messages from being sent from here, with the cure; empty when nothing does."""
    if not notify.has_urls:
        return []
    if importlib.util.find_spec("apprise") is None:
        key = "urls_file" if notify.urls_file is not None else "urls_env"
        return [
            f"notify.{key}: the package apprise is not installed; pip install 'trainwatch[notify]', or leave it out"
        ]
    try:
        read(notify, os.environ)
    except AddressError as error:
        return [str(error)]
    return []


def _private(path: str) -> str:
    """The content of a file that is a regular one of this user's, and nobody else's to read. Raises AddressError."""
    key = f"notify.urls_file = {path!r}"
    try:
        fd = os.open(Path(path).expanduser(), os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise AddressError(f"{key}: cannot be read: {error.strerror}; write it, then chmod 600") from None
    try:
        if fault := _fault(os.fstat(fd)):
            raise AddressError(f"{key}: {fault}")
        data = os.read(fd, MAX_FILE_BYTES)
    finally:
        os.close(fd)
    return data.decode("utf-8", "replace")


def _fault(found: os.stat_result) -> str | None:
    if not stat.S_ISREG(found.st_mode):
        return "is no regular file; give one"
    if found.st_uid not in (os.geteuid(), 0):
        return "belongs to another user; make one of your own"
    if found.st_mode & 0o077:
        return f"others may read or write it (mode {stat.S_IMODE(found.st_mode):03o}); chmod 600 it"
    return None
