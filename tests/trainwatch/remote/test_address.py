"""What may be typed as a place on another host, and how ssh is called for it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainwatch.remote.address import Address, AddressError, parse_address
from trainwatch.remote.line import command
from trainwatch.remote.wire import Request, encoded, is_name


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ssh://gpu1/data/runs", Address("gpu1", b"/data/runs")),
        ("ssh://ann@gpu1.example.org:2222/data/runs", Address("gpu1.example.org", b"/data/runs", "ann", 2222)),
        ("ssh://gpu1/~/runs", Address("gpu1", b"./runs")),
        ("ssh://gpu1/~//runs/", Address("gpu1", b"./runs/")),
        ("ssh://gpu1", Address("gpu1", b"./")),
        ("ssh://gpu1/", Address("gpu1", b"/")),
        ("ssh://gpu1/~", Address("gpu1", b"./")),
        ("ssh://gpu1/a%20b%0Ac", Address("gpu1", b"/a b\nc")),
        ("ssh://gpu1/a b", Address("gpu1", b"/a b")),
        ("ssh://[::1]:22/r", Address("::1", b"/r", "", 22)),
        ("ssh://[fe80::1]/r", Address("fe80::1", b"/r")),
    ],
)
def test_reads_what_is_typed(text: str, address: Address) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize(
    "text",
    ["ssh://", "ssh:///runs", "ssh://-oProxyCommand=x/runs", "ssh://-l@host/r", "ssh://a b/r", "ssh://a;b/r",
     "ssh://a:b:c/r", "ssh://@host/r", "ssh://host/~ann/runs", "ssh://host/a%00b", "ssh://a$(b)/r", "ssh://a\n/r"],
)  # fmt: skip
def test_refuses_what_is_no_host_or_would_be_an_option(text: str) -> None:
    with pytest.raises(AddressError, match="ssh://"):
        parse_address(text)


@pytest.mark.parametrize("url", ["ssh://a/b%20c", "ssh://u@a:7/~/x", "ssh://a/", "ssh://a/%FF"])
def test_an_address_is_written_as_it_is_read(url: str) -> None:
    assert parse_address(parse_address(url).url) == parse_address(url)


def test_ssh_gets_the_host_as_no_option_and_the_path_not_at_all() -> None:
    words = command(Address("gpu1", b"/x'; rm -rf ~", "ann", 2222), 100)
    assert words[0] == "ssh"
    assert words[-3:-1] == ["--", "gpu1"]
    assert "BatchMode=yes" in words
    assert words[words.index("-p") + 1] == "2222"
    assert not any("rm -rf" in word for word in words)


@given(st.lists(st.binary(min_size=1).filter(lambda word: b"\0" not in word), max_size=4))
def test_a_request_is_one_line_of_harmless_words(words: list[bytes]) -> None:
    line = Request("look", tuple(words)).line(b"mark")
    assert line.count(b"\n") == 1
    assert len(line.split()) == len(words) + 2
    assert not set(line) & set(b"$`'\"*?[];&|<>(){}!#~=\r\t")


def test_the_other_side_cannot_name_a_place_outside() -> None:
    assert not any(map(is_name, [b"", b".", b"..", b"../x", b"a/b", b".ssh"]))
    assert is_name("läuft schon".encode())
    assert encoded(b"-\\\n") == b"-\\0134\\0012"
