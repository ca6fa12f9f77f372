"""One browser's dashboard: a process, and what goes between it and the browser. The protocol is textual-serve's."""

import asyncio
import contextlib
import json
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from typing import Any

from aiohttp import WSMsgType, web
from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

from trainwatch.serve import driver

GRACE_S = 3.0
"""A dashboard that was told to leave has so long; then it is ended."""
MOST_CELLS = 1000
"""Of a screen in each direction: a browser asks for what it has, and a larger one would only cost memory."""


class Session(AppService):
    """Owns the process. No shell has a part in starting it."""

    def __init__(self, words: Sequence[str], socket: web.WebSocketResponse) -> None:
        """`words`: the command, as a list."""

        async def close() -> None:
            await socket.close()

        super().__init__(
            words[0],
            write_bytes=socket.send_bytes,
            write_str=socket.send_str,
            close=close,
            download_manager=DownloadManager(),
        )
        self._words = words

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        environment = self._build_environment(width, height) | {"TEXTUAL_DRIVER": driver.NAME}
        self._process = await asyncio.create_subprocess_exec(
            *self._words, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment
        )
        self._stdin = self._process.stdin
        return self._process

    async def run(self) -> None:
        """Until the dashboard has ended, by itself or not; the browser is told."""
        await super().run()
        with contextlib.suppress(ConnectionError):
            await self.remote_close()

    async def take(self, text: str) -> str | None:
        """Hand on what a browser sent; an answer, if there is one. What is not understood is passed over."""
        try:
            kind, data = json.loads(text)
        except (ValueError, TypeError, RecursionError):
            return None
        match kind, data:
            case "stdin", str():
                await self.send_bytes(data.encode("utf-8", "replace"))
            case "resize", {"width": int(width), "height": int(height)}:
                await self.set_terminal_size(bounded(width), bounded(height))
            case "ping", _:
                return json.dumps(["pong", data])
            case "blur", _:
                await self.blur()
            case "focus", _:
                await self.focus()
            case _:
                pass
        return None

    async def end(self) -> None:
        """Let it leave, or end it."""
        process = self._process
        if process is None:
            return
        # No timeout around it: `AppService.run` swallows being cancelled, and what follows would have no limit.
        leaving = asyncio.create_task(self._leave(process))
        await asyncio.wait({leaving}, timeout=GRACE_S)
        if not leaving.done():
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            if self._task is not None:  # it may wait for a browser
                self._task.cancel()
        with contextlib.suppress(ConnectionError):
            await leaving

    async def _leave(self, process: Process) -> None:
        await self.stop()
        # What it still says is read: until its pipes have ended, asyncio does not call it ended.
        await process.communicate()


def bounded(cells: Any) -> int:
    """A number of cells that a screen may have."""
    try:
        return max(1, min(int(cells), MOST_CELLS))
    except ValueError:
        return 80


async def relay(socket: web.WebSocketResponse, session: Session) -> None:
    """Until the browser leaves, or the dashboard has ended."""
    async for message in socket:
        if message.type is WSMsgType.TEXT and (answer := await session.take(message.data)) is not None:
            await socket.send_str(answer)
