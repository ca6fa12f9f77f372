"""`trainwatch serve`: what is to be shown to browsers, and by what address. Imports the server last."""

import argparse
import importlib.util
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from trainwatch.theme import PALETTES

PORT = 8000
_NEEDED = ("textual_serve", "aiohttp")


class ServeError(Exception):
    """Why nothing can be served, in words."""


def parser() -> argparse.ArgumentParser:
    """The arguments behind `serve`."""
    found = argparse.ArgumentParser(
        prog="trainwatch serve", description="Show the dashboard in a browser, to whoever has the address printed."
    )
    found.add_argument(
        "runs", nargs="*", metavar="RUN | DIR | ssh://HOST/PATH", help="what is shown, as for trainwatch itself"
    )
    found.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine)")
    found.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"0: any that is free (default: {PORT})")
    found.add_argument("--read-only", action="store_true", help="never write: no order, no tag, no note")
    found.add_argument("--theme", choices=list(PALETTES), default="dark", help="colours (default: dark)")
    found.add_argument("--keys", type=Path, metavar="FILE", help="which key does what")
    found.add_argument("--runs-dir", default="runs", metavar="D", help="where ids are looked for (default: runs)")
    return found


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text}: a port is a number from 0 to 65535")
    return int(text)


def words_of(arguments: argparse.Namespace) -> list[str]:
    """The command of one browser's dashboard. The token is not among it: everybody may read a command."""
    words = [sys.executable, "-m", "trainwatch", f"--theme={arguments.theme}", f"--runs-dir={arguments.runs_dir}"]
    words += ["--read-only"] if arguments.read_only else []
    words += [f"--keys={arguments.keys}"] if arguments.keys is not None else []
    return [*words, "--", *arguments.runs]


def run(arguments: argparse.Namespace) -> None:
    """Serve until told to end. Raises ServeError."""
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise ServeError("serving needs textual-serve, which is not installed: pip install 'trainwatch[serve]'")
    from trainwatch.serve import server

    listening = _listen(arguments.host, arguments.port)
    token = server.new_token()
    app = server.application(words_of(arguments), token, PALETTES[arguments.theme].background)
    for line in _announcement(listening, token, arguments):
        print(line, flush=True)
    server.serve(app, listening)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise ServeError(f"--host {host}: {error.strerror}") from None
    try:
        return socket.create_server(address[:2], family=family)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ServeError(f"cannot listen on {host} port {port}: {why}; another --port, or 0 for any") from None


def _announcement(listening: socket.socket, token: str, arguments: argparse.Namespace) -> Sequence[str]:
    host, port = listening.getsockname()[:2]
    address = ipaddress.ip_address(host.partition("%")[0])
    shown = socket.gethostname() if address.is_unspecified else f"[{host}]" if address.version == 6 else host
    may = "look" if arguments.read_only else "do what you may do: give orders, and delete runs"
    lines = [f"http://{shown}:{port}/?token={token}", f"whoever has this address may {may}; Ctrl-C ends it"]
    if not address.is_loopback:
        lines.append(
            "not this machine alone: what is shown, and the token, can be read on the way, as this is plain HTTP"
        )
    return lines
