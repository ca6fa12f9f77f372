"""The web server: one page, its files, and a websocket for each browser; nothing of it without the token."""

import hmac
import logging
import secrets
import socket
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from string import Template

import textual_serve
from aiohttp import WSCloseCode, web
from aiohttp.typedefs import Handler, Middleware

from trainwatch.serve.session import Session, bounded, relay

_STATIC = Path(textual_serve.__file__).parent / "static"
"""Its terminal for the browser: a script, styles and fonts."""
_SOCKETS: web.AppKey[list[web.WebSocketResponse]] = web.AppKey("sockets", list)
LEAVE_S = 5.0
"""So long open pages keep the server from ending."""


def new_token() -> str:
    """256 random bits, as they may stand in a URL."""
    return secrets.token_urlsafe(32)


def application(words: Sequence[str], token: str, background: str) -> web.Application:
    """What answers. `words` starts a dashboard; `background` is the colour around it."""
    template = Template((files("trainwatch.serve") / "page.html").read_text(encoding="utf-8"))

    async def page(_: web.Request) -> web.Response:
        nonce = secrets.token_urlsafe(16)
        text = template.substitute(nonce=nonce, token=token, background=background)
        return web.Response(text=text, content_type="text/html", headers={"Content-Security-Policy": _policy(nonce)})

    async def dashboard(request: web.Request) -> web.WebSocketResponse:
        opened = web.WebSocketResponse(heartbeat=15)
        await opened.prepare(request)
        request.app[_SOCKETS].append(opened)
        session = Session(words, opened)
        try:
            await session.start(bounded(request.query.get("width", 80)), bounded(request.query.get("height", 24)))
            await relay(opened, session)
        finally:
            request.app[_SOCKETS].remove(opened)
            await session.end()
        return opened

    app = web.Application(middlewares=[_guard(token)])
    app[_SOCKETS] = []
    app.on_response_prepare.append(_harden)
    app.on_shutdown.append(_hang_up)
    app.add_routes([web.get("/", page), web.get("/ws", dashboard), web.static("/static", _STATIC)])
    return app


def _guard(token: str) -> Middleware:
    expected = token.encode()

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Before anything else, of whatever address. Compared in constant time."""
        given = request.query.get("token", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected):
            return web.Response(status=403, text="403: open the address that trainwatch printed, its token included\n")
        return await handler(request)

    return guard


def _policy(nonce: str) -> str:
    """Scripts of this page alone, and nothing from or to anywhere else."""
    return (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self' 'unsafe-inline'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


async def _harden(_: web.Request, response: web.StreamResponse) -> None:
    """The token stands in the address: it must not be sent on, nor kept."""
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Content-Type-Options"] = "nosniff"


async def _hang_up(app: web.Application) -> None:
    for opened in app[_SOCKETS].copy():
        await opened.close(code=WSCloseCode.GOING_AWAY)


def serve(app: web.Application, listening: socket.socket) -> None:
    """Until SIGINT or SIGTERM. Requests are logged nowhere: their addresses hold the token."""
    logging.getLogger("aiohttp").setLevel(logging.CRITICAL)
    web.run_app(app, sock=listening, access_log=None, print=None, shutdown_timeout=LEAVE_S)
