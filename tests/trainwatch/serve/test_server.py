"""The dashboard in a browser, as far as a real client sees it: HTTP, a websocket, and the processes behind."""

import argparse
import asyncio
import signal
import socket
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer

from tests.conftest import eventually
from tests.trainwatch.serve.conftest import Served, is_gone
from trainwatch.cli import main
from trainwatch.serve import command
from trainwatch.serve import session as serving
from trainwatch.serve.server import application, new_token
from trainwatch.serve.session import MOST_CELLS, Session, bounded

PATHS = ("/", "/ws", "/static/js/textual.js", "/static/", "/nothing")


def no_dashboard(token: str) -> TestServer:
    return TestServer(application(["false"], token, "#000000"))


@pytest.mark.parametrize("given", ["", "?token=", "?token=wrong", "?Token={}", "?token={}x", "?token=%ff%00ä"])
async def test_without_the_token_there_is_nothing(given: str) -> None:
    token = new_token()
    async with TestClient(no_dashboard(token)) as client:
        for path in PATHS:
            answer = await client.get(path + given.format(token))
            assert answer.status == 403
            assert token not in await answer.text()
            with pytest.raises(WSServerHandshakeError) as refused:
                await client.ws_connect(path + given.format(token))
            assert refused.value.status == 403


async def test_the_page_takes_nothing_from_elsewhere_and_sends_the_token_nowhere() -> None:
    token = new_token()
    async with TestClient(no_dashboard(token)) as client:
        page = await client.get(f"/?token={token}")
        assert page.status == 200
        text = await page.text()
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "connect-src 'self'" in policy
        assert f'nonce="{policy.partition("nonce-")[2].partition(chr(39))[0]}"' in text
        assert "http://" not in text
        assert "https://" not in text
        other = await client.get(f"/?token={token}")
        assert other.headers["Content-Security-Policy"] != policy
        script = await client.get(f"/static/js/textual.js?token={token}")
        assert script.status == 200
        assert (await client.get(f"/static/?token={token}")).status == 403  # no listing
        for answer in (page, script):
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Cache-Control"] == "no-store"


def test_each_server_has_a_token_of_its_own() -> None:
    assert len({new_token() for _ in range(100)}) == 100
    assert len(new_token()) >= 43


async def seen(opened: ClientWebSocketResponse, wanted: bytes, deadline_s: float = 30.0) -> bytes:
    """What a dashboard has sent until the wanted bytes are among it."""
    found = b""
    async with asyncio.timeout(deadline_s):
        while wanted not in found:
            message = await opened.receive()
            assert message.type in (WSMsgType.BINARY, WSMsgType.TEXT), found[-500:]
            found += message.data if message.type is WSMsgType.BINARY else b""
    return found


async def test_a_dashboard_for_each_browser_and_the_token_nowhere_but_in_the_address(served: Served) -> None:
    url = await asyncio.to_thread(eventually, lambda: served.url, 30.0)
    socket_url = url.replace("/?", "/ws?")
    async with ClientSession() as client:
        async with client.ws_connect(f"{socket_url}&width=100&height=30") as opened:
            assert b"1-one" in await seen(opened, b"2 runs")
            (dashboard,) = served.dashboards
            words = dashboard.cmdline()
            assert "--read-only" in words
            assert str(served.log.parent / "runs") in words
            assert not any(served.token in word for word in words)
            assert served.token not in "".join(dashboard.environ().values())
            for odd in ("", "[]", "{", '["stdin", 3]', '["resize", {"width": "x"}]', '["what", {}]', "[" * 100_000):
                await opened.send_str(odd)
            await opened.send_json(["ping", 7])
            await opened.send_json(["resize", {"width": 80, "height": 24}])
            await opened.send_json(["stdin", "t"])
            await seen(opened, b"read-only: tags would write")
            await opened.send_json(["stdin", "E"])
            await seen(opened, b"not from a browser")
            async with client.ws_connect(socket_url) as other:
                await seen(other, b"2 runs")
                assert len(served.dashboards) == 2
            await asyncio.to_thread(eventually, lambda: len(served.dashboards) == 1)
            await opened.send_json(["stdin", "q"])
            async with asyncio.timeout(10):
                while (await opened.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
                    pass
        await asyncio.to_thread(eventually, lambda: not served.dashboards)
    place = urlsplit(url)
    with socket.create_connection((place.hostname, place.port)) as rude:
        rude.sendall(f"GET /?token={served.token} HTTP/9.x\r\n\r\n".encode())
        assert b" 400 " in rude.recv(1000)
    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(15) == 0
    assert served.text.count(served.token) == 1
    assert served.text.count("\n") == 2, served.text


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
async def test_no_dashboard_outlives_its_server(served: Served, how: signal.Signals) -> None:
    url = await asyncio.to_thread(eventually, lambda: served.url, 30.0)
    async with ClientSession() as client, client.ws_connect(url.replace("/?", "/ws?")) as opened:
        await seen(opened, b"2 runs")
        (dashboard,) = served.dashboards
        served.process.send_signal(how)
        await asyncio.to_thread(served.process.wait, 15)
        await asyncio.to_thread(eventually, lambda: is_gone(dashboard))


class NoBrowser(web.WebSocketResponse):
    """Takes everything."""

    async def send_bytes(self, data: bytes, compress: int | None = None) -> None: ...

    async def close(self, *, code: int = 1000, message: bytes = b"", drain: bool = True) -> bool:
        del code, message, drain
        return True


@pytest.mark.parametrize("last_words", ["", "sys.stdout.buffer.write(b'D' + bytes(4) + b'X' * 2**20);"])
async def test_a_dashboard_that_does_not_leave_is_ended(last_words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it listens or not, and however much it has to say that nobody reads."""
    monkeypatch.setattr(serving, "GRACE_S", 0.1)
    program = f"import sys, time; print('__GANGLION__', flush=True); {last_words} time.sleep(60)"
    session = Session([sys.executable, "-c", program], NoBrowser())
    process = await session._open_app_process()
    session._task = asyncio.create_task(session.run())
    await asyncio.sleep(0)
    await asyncio.wait_for(session.end(), 10.0)
    assert process.returncode == -signal.SIGKILL


def arguments(*words: str) -> argparse.Namespace:
    return command.parser().parse_args(words)


def test_what_is_handed_on() -> None:
    words = command.words_of(arguments("a", "--read-only", "--theme", "light", "--runs-dir", "d", "--keys", "k"))
    assert words[1:] == ["-m", "trainwatch", "--theme=light", "--runs-dir=d", "--read-only", "--keys=k", "--", "a"]
    assert "--read-only" not in command.words_of(arguments())
    assert arguments().host == "127.0.0.1"


EVERYWHERE = "0.0.0.0"  # noqa: S104 - what is said of it is the point


@pytest.mark.parametrize(
    ("host", "shown", "num_lines"),
    [
        ("127.0.0.1", "http://127.0.0.1:", 2),
        ("localhost", "http://", 2),
        (EVERYWHERE, f"http://{socket.gethostname()}:", 3),
    ],
)
def test_the_address_and_what_it_gives(host: str, shown: str, num_lines: int) -> None:
    with command._listen(host, 0) as listening:
        lines = command._announcement(listening, "TOKEN", arguments())
        assert lines[0].startswith(shown)
        assert lines[0].endswith("/?token=TOKEN")
        assert "give orders" in lines[1]
        assert "give orders" not in command._announcement(listening, "TOKEN", arguments("--read-only"))[1]
        assert len(lines) == num_lines
        assert ("plain HTTP" in lines[-1]) is (num_lines == 3)


def test_what_keeps_it_from_serving_is_said_in_a_sentence(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = str(folder / "runs")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert main(["serve", runs, "--port", port]) == 2
        assert (
            f"cannot listen on 127.0.0.1 port {port}: Address already in use; another --port" in capsys.readouterr().err
        )
    assert main(["serve", runs, "--host", "no.such.host.invalid"]) == 2
    assert "--host no.such.host.invalid: " in capsys.readouterr().err
    assert main(["serve", str(folder / "nowhere")]) == 2
    assert "nowhere" in capsys.readouterr().err
    bad = folder / "keys.toml"
    bad.write_text("[rum]\n")
    assert main(["serve", runs, "--keys", str(bad)]) == 2
    assert "there is no such screen" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["serve", "--port", "70000"])
    assert "a port is a number from 0 to 65535" in capsys.readouterr().err
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["serve", runs]) == 2
    said = "trainwatch: serving needs textual-serve, which is not installed: pip install 'trainwatch[serve]'\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize(("asked", "given"), [("120", 120), (0, 1), (10**9, MOST_CELLS), ("x", 80), ("-3", 1)])
def test_a_screen_has_bounds(asked: object, given: int) -> None:
    assert bounded(asked) == given
