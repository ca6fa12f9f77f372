"""Hugging Face's hub as this machine knows it: login and cache. Says whether there is a token, never which."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rundir.size import size
from traind.check.finding import Finding, ok, warn

LOOK_S = 1.0
"""How long the cache is measured before `at least` must do."""
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_TRUE = ("1", "ON", "YES", "TRUE")


@dataclass(frozen=True, slots=True)
class HubPlaces:
    """Where huggingface_hub looks."""

    token: Path
    cache: Path


def hub_places(environment: Mapping[str, str], home: Path) -> HubPlaces:
    """As huggingface_hub finds them: HF_HOME, HF_HUB_CACHE, HF_TOKEN_PATH, XDG_CACHE_HOME."""
    base = environment.get("XDG_CACHE_HOME") or str(home / ".cache")
    root = environment.get("HF_HOME") or f"{base}/huggingface"
    cache = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or f"{root}/hub"
    token = environment.get("HF_TOKEN_PATH") or f"{root}/token"
    return HubPlaces(*(Path(os.path.expandvars(path)).expanduser() for path in (token, cache)))


def examine_hub(environment: Mapping[str, str], home: Path) -> Iterator[Finding]:
    """Login, offline mode, cache."""
    places = hub_places(environment, home)
    variable = next((name for name in _TOKENS if environment.get(name, "").strip()), None)
    if variable is not None:
        yield ok("hub login", f"a token is in {variable}")
    elif _has_text(places.token):
        yield ok("hub login", f"a token is in {places.token}")
    else:
        yield ok("hub login", "none: public models load, gated and private ones need `hf auth login`")
    offline = next(
        (n for n in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE") if environment.get(n, "").upper() in _TRUE), None
    )
    if offline is not None:
        yield warn("hub", f"{offline} is set: only what is in the cache loads", f"unset {offline}")
    yield _examine_cache(places.cache)


def _has_text(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _examine_cache(cache: Path) -> Finding:
    if not cache.is_dir():
        return ok("hub cache", f"{cache}: not there yet")
    num_bytes, num_repos, is_whole = measure(cache, time.monotonic() + LOOK_S)
    amount = f"{'' if is_whole else 'at least '}{size(num_bytes)}"
    if not os.access(cache, os.W_OK):
        return warn("hub cache", f"{cache} cannot be written to", "set HF_HOME to a directory of yours")
    return ok("hub cache", f"{cache}: {amount} in {num_repos:,} models and data sets")


def measure(cache: Path, until: float) -> tuple[int, int, bool]:
    """Bytes of the blobs, number of repositories, and whether all was counted before `until` (monotonic)."""
    repos = [entry.path for entry in os.scandir(cache) if "--" in entry.name and entry.is_dir()]
    total, is_whole = 0, True
    waiting = [os.path.join(repo, "blobs") for repo in repos]  # snapshots are links to them
    while waiting:
        if time.monotonic() > until:
            is_whole = False
            break
        try:
            for entry in os.scandir(waiting.pop()):
                total += entry.stat(follow_symlinks=False).st_size
        except OSError:  # without blobs yet, or gone meanwhile
            continue
    return total, len(repos), is_whole
