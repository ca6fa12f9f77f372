"""Where a run or a directory of runs lies on another host: `ssh://[user@]host[:port]/path`. Pure."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

SCHEME = "ssh://"
_NAME = re.compile(r"[A-Za-z0-9_.%+][A-Za-z0-9_.%+-]*")
_HOST = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9]+)?\]")


class AddressError(Exception):
    """Not an address; the text says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """A place on a host. Nothing in it can be taken for an option of ssh."""

    host: str
    path: bytes
    """Absolute, or beginning with `./`: then from the home directory on."""
    user: str = ""
    port: int = 0
    """0: whatever ssh is configured to."""

    @property
    def url(self) -> str:
        """What the command line understands as this place."""
        return self.login_url + _path_of_url(self.path)

    @property
    def login_url(self) -> str:
        user, port = f"{self.user}@" if self.user else "", f":{self.port}" if self.port else ""
        return f"{SCHEME}{user}{self.host}{port}"


def is_address(text: str) -> bool:
    return text.startswith(SCHEME)


def parse_address(text: str) -> Address:
    """Raises AddressError. `/~/x` is x in the home directory; `%20` and the like are what they stand for."""
    login, slash, rest = text.removeprefix(SCHEME).partition("/")
    user, at, place = login.rpartition("@")
    host, port = _host_and_port(place)
    if not _HOST.fullmatch(host) or (at and not _NAME.fullmatch(user)):
        raise AddressError(f"{text!r} names no host: write ssh://host/path or ssh://user@host:port/path")
    path = unquote_to_bytes(slash + rest)
    if b"\0" in path:
        raise AddressError(f"{text!r}: a path holds no %00")
    if path in (b"", b"/~"):
        path = b"/~/"
    if path.startswith(b"/~") and not path.startswith(b"/~/"):
        raise AddressError(f"{text!r}: another user's home is not known here; write its path")
    if path.startswith(b"/~/"):
        path = b"./" + path[3:].lstrip(b"/")
    return Address(host.strip("[]"), path, user, port)


def _host_and_port(place: str) -> tuple[str, int]:
    match = re.fullmatch(r"(.*):(\d{1,5})", place)
    if match is None or (place.startswith("[") and place.endswith("]")):
        return place, 0
    return match.group(1), int(match.group(2))


def _path_of_url(path: bytes) -> str:
    text = b"/~/" + path[2:] if path.startswith(b"./") else path
    return quote(text, safe="/~+=,@:")
