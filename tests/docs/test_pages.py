"""Every session that a page shows has been typed here before: commands and what came."""

import pytest

from tests.docs.page import ROOT, steps
from tests.docs.session import session
from tests.peers.gateway import House

PAGES = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
    if "```console" in path.read_text("utf-8")
)


def test_the_readme_has_a_session() -> None:
    """The front page's session is among those that are run."""
    assert "README.md" in PAGES


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_shows_what_happens(page: str, place: House) -> None:
    """Commands and output of a page are real, but for ids, times and addresses."""
    async with session(place) as shell:
        for step in steps(page):
            await shell.run(step)
