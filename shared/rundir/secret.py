"""What must not be written down: secrets of the environment, and credentials in URLs. Pure: text and environment in,
text out.

Guarantees: no value, of eight characters or more, of a variable whose name says that it is a secret stands in what
`redact` returns, nor its usual escaped spellings; of a URL neither user, password nor a parameter that is called a
token, key or password. What is no secret by these rules passes unchanged.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

MASK = "***"
MIN_SECRET_LENGTH = 8
"""Shorter values are words such as `true`: they would be masked wherever they stand."""

_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)
_PLACE_NAME = re.compile(r"_(PATH|FILE|DIR|HOME)$", re.IGNORECASE)
"""Where a secret lies is none: HF_TOKEN_PATH."""
_WORD = r"(?:token|key|secret|passw|credential|signature|auth)"
_FREE_TEXT = ("message", "detail", "reason", "args", "by", "text", "evidence", "advice", "differences", "passed_over")
_USER_INFO = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]*)://[^\s/?#\"'<>]*@")
_PARAMETER = re.compile(rf"([?&;#](?:[^=&;#\s]*{_WORD}[^=&;#\s]*|sig)=)[^&;#\s\"'<>]+", re.IGNORECASE)
_BEARER = re.compile(r"\b(Bearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{8,}")


def is_secret_name(name: str) -> bool:
    """Whether an environment variable of this name holds a secret."""
    return bool(_NAME.search(name)) and not _PLACE_NAME.search(name)


def redact(text: str, env: Mapping[str, str]) -> str:
    """The text with every secret of `env` and every credential of a URL replaced by `MASK`."""
    text = _without_credentials(text)
    secrets = sorted(set(_spellings(env)), key=len, reverse=True)
    while found := next((secret for secret in secrets if secret in text), None):
        text = text.replace(found, MASK)  # shorter each time, so that what joins into a secret again comes to an end
    return text


def redact_value(value: Any, env: Mapping[str, str]) -> Any:
    """The same in every text of a plain value, keys included."""
    if isinstance(value, str):
        return redact(value, env)
    if isinstance(value, dict):
        return {redact_value(key, env): redact_value(inner, env) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [redact_value(inner, env) for inner in value]
    return value


def redact_fields(record: object, env: Mapping[str, str]) -> None:
    """The same, in place, in those fields of a record that hold what people, libraries and exceptions have said."""
    for name in _FREE_TEXT:
        if (value := getattr(record, name, None)) is not None:
            setattr(record, name, redact_value(value, env))


def leak(text: str, env: Mapping[str, str]) -> str | None:
    """What a text would give away, in words that give nothing away; None when there is nothing."""
    if _without_credentials(text) != text:
        return "a URL with credentials"
    for name in env:
        if any(secret in text for secret in _spellings({name: env[name]})):
            return f"the value of the environment variable {name}"
    return None


def _without_credentials(text: str) -> str:
    text = _USER_INFO.sub(rf"\1://{MASK}@", text)
    text = _PARAMETER.sub(rf"\1{MASK}", text)
    text = _BEARER.sub(rf"\1{MASK}", text)
    return _HUB_TOKEN.sub(MASK, text)


def _spellings(env: Mapping[str, str]) -> Iterator[str]:
    """Each secret as it is, and as Python, JSON and URLs write it."""
    for name, value in env.items():
        if len(value) < MIN_SECRET_LENGTH or not is_secret_name(name):
            continue
        bare = value.strip()
        for secret in {value, bare} if len(bare) >= MIN_SECRET_LENGTH else {value}:
            yield secret
            yield repr(secret)[1:-1]
            yield json.dumps(secret)[1:-1]
            yield quote(secret, safe="", errors="replace")
