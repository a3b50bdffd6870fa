"""Every session that a page shows has been typed here before: commands and what came."""

from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.cli import install
from tests.docs.page import ROOT, steps
from tests.docs.scripts import settings_of
from tests.docs.session import session
from tests.peers.gateway import house

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    if "```console" in path.read_text("utf-8")
)


def test_the_readme_has_a_session() -> None:
    """The front page's session is among those that are run."""
    assert "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_shows_what_happens(page: str, tmp_path: Path) -> None:
    """Commands and output of a page are real, but for ids, times and addresses."""
    async with AsyncExitStack() as stack:
        try:
            settings = await stack.enter_async_context(settings_of(page, tmp_path))
        except install.Missing as missing:
            pytest.skip(f"no opencode: {missing}")
        place = await stack.enter_async_context(house(tmp_path, **settings))
        shell = await stack.enter_async_context(session(place))
        for step in steps(page):
            await shell.run(step)
