"""What the documents name must exist."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "name",
    [
        *("docs/architecture.md", "README.md", "docs/protocol.md", "docs/decisions.md", "docs/check.md"),
        *("SECURITY.md", "docs/reboot.md", "docs/reliability.md", "docs/gpu.md", "docs/distributed.md"),
        *("docs/notify.md", "docs/alerts.md", "docs/dashboard.md", "docs/alerts-evaluation.md"),
        "docs/writer.md",
    ],
)
def test_every_file_that_is_named_is_there(name: str) -> None:
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:daemon|tui|shared|tests|bench|configs|docs|examples)/[\w./-]+?)`", text))
    linked = {link for link in re.findall(r"\]\(([\w./-]+)\)", text) if "://" not in link}
    missing = {path for path in named if not (REPOSITORY / path).exists()}
    missing |= {path for path in linked if not ((REPOSITORY / name).parent / path).exists()}
    assert not missing


def test_every_target_that_readme_names_is_in_the_makefile() -> None:
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(
        r"(?:^|`)make (\w[\w-]*)", (REPOSITORY / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    ):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
