"""No secret comes through, wherever it stands and whatever it is made of; and what is none stays as it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rundir.secret import MASK, MIN_SECRET_LENGTH, is_secret_name, leak, redact, redact_value

NAMES = st.sampled_from(["HF_TOKEN", "WANDB_API_KEY", "aws_secret_access_key", "PGPASSWORD", "MY_SECRET", "TOKEN2"])
# As an environment can hold them: no zero byte. Few different characters, so that secrets overlap and repeat.
ODD = st.text(alphabet=st.sampled_from("ab*/@:% \n\"'\\é😀"), min_size=MIN_SECRET_LENGTH, max_size=20)
ANY = st.text(alphabet=st.characters(blacklist_characters="\0", blacklist_categories=("Cs",)), min_size=8, max_size=40)
SECRETS = st.one_of(ODD, ANY)


@given(
    env=st.dictionaries(NAMES, SECRETS, min_size=1), around=st.lists(st.text(max_size=20), min_size=2), data=st.data()
)
def test_no_planted_secret_comes_through(env: dict[str, str], around: list[str], data: st.DataObject) -> None:
    planted = data.draw(st.lists(st.sampled_from(sorted(env.values())), min_size=1, max_size=5))
    text = "".join(a + b for a, b in zip(around, [*planted, *planted], strict=False)) + "".join(planted)
    shown = redact(text, env)
    for secret in env.values():
        assert secret not in shown
        assert repr(secret)[1:-1] not in redact(repr(text), env)
        assert secret not in str(redact_value({"a": [text], text: (text,)}, env)["a"][0])


@given(text=st.text(max_size=60))
def test_text_without_secrets_stays_as_it_is(text: str) -> None:
    env = {"HF_TOKEN": "hunter2hunter2", "PATH": "/usr/bin", "TOKENIZERS_PARALLELISM": "false", "LANG": "C.UTF-8-long"}
    if leak(text, env) is None:
        assert redact(text, env) == text


@given(user=st.text("abcXYZ019._%-", min_size=1), password=st.text("abcXYZ019._%@:!-", min_size=1))
def test_no_url_keeps_its_credentials(user: str, password: str) -> None:
    shown = redact(f"cannot reach 'https://{user}:{password}@host.org/path?x=1', try again", {})
    assert shown == f"cannot reach 'https://{MASK}@host.org/path?x=1', try again"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/x?token=abc&page=2", "https://h/x?token=***&page=2"),
        (
            "GET https://s3/x?X-Amz-Signature=f00&X-Amz-Credential=AK",
            "GET https://s3/x?X-Amz-Signature=***&X-Amz-Credential=***",
        ),
        ("https://blob/x?sv=1&sig=ab%2Fc", "https://blob/x?sv=1&sig=***"),
        ("https://ghp_abc@github.com/a/b.git", "https://***@github.com/a/b.git"),
        ("Authorization: Bearer abcdefgh.ijk", "Authorization: Bearer ***"),
        ("invalid token hf_abcdefghijkl", "invalid token ***"),
        ("mail me@host.org", "mail me@host.org"),
        ("https://huggingface.co/a?revision=main", "https://huggingface.co/a?revision=main"),
        ("train.lr=1e-5 keys=3", "train.lr=1e-5 keys=3"),
    ],
)
def test_what_a_url_may_say(text: str, shown: str) -> None:
    assert redact(text, {}) == shown


def test_escaped_spellings_are_known_too() -> None:
    env = {"DB_PASSWORD": "p/w\n'd\"é!!"}
    for spelling in (repr(env["DB_PASSWORD"]), "p%2Fw%0A%27d%22%C3%A9%21%21", "p/w\\n'd\\\"\\u00e9!!"):
        assert MASK in redact(f"x {spelling} y", env)
    assert redact("key abcdefgh", {"API_KEY": "abcdefgh\n"}) == f"key {MASK}"


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [("HF_TOKEN", True), ("my_api_key", True), ("PGPASSWORD", True), ("HF_TOKEN_PATH", False), ("HOME", False)],
)
def test_which_variables_hold_secrets(name: str, is_secret: bool) -> None:
    assert is_secret_name(name) is is_secret


def test_a_leak_is_named_and_not_repeated() -> None:
    env = {"HF_TOKEN": "hunter2hunter2"}
    assert leak("a hunter2hunter2 b", env) == "the value of the environment variable HF_TOKEN"
    assert leak("https://u:p@h/", env) == "a URL with credentials"
    assert leak("https://h/", env) is None
    assert leak("short", {"HF_TOKEN": "short"}) is None
