"""Two trees as files and as a diff."""

import os
import subprocess
from pathlib import Path

from agent_runtime.workspace import changes
from tests.agent_runtime.workspace.desk import Desk


async def test_a_diff_can_be_applied(desk: Desk) -> None:
    """To a copy of what was there before: then it is what is there now."""
    desk.put(a="1\n2\n3\n", gone="x\n", old_0_name="some\nlines\nthat\nstay\n", mode="#!/bin/sh\n")
    await desk.changes()
    subprocess.run(["cp", "-a", desk.workspace, desk.workspace.parent / "copy"], check=True)
    desk.put(a="1\nzwei\n3\n", new="no newline")
    (desk.workspace / "gone").unlink()
    (desk.workspace / "new name").symlink_to("a")
    (desk.workspace / "old" / "name").rename(desk.workspace / "renamed")
    (desk.workspace / "mode").chmod(0o755)
    told = await desk.changes()
    applied = desk.workspace.parent / "copy"
    subprocess.run(["git", "apply", "--unsafe-paths"], cwd=applied, input=told.diff, check=True)
    assert (applied / "a").read_text() == "1\nzwei\n3\n"
    assert not (applied / "gone").exists()
    assert (applied / "new name").readlink() == Path("a")
    assert (applied / "renamed").exists()
    assert os.access(applied / "mode", os.X_OK)


async def test_each_file_is_told(desk: Desk) -> None:
    """What became of it, and how many lines."""
    desk.put(a="1\n2\n", b=b"\0one", c_0_old="some\nlines\nthat\nstay\n")
    await desk.changes()
    desk.put(a="1\nzwei\n3\n", b=b"\0two")
    (desk.workspace / "c" / "old").rename(desk.workspace / "c" / "new")
    told = {file.path: file for file in (await desk.changes()).files}
    assert (told[b"a"].status, told[b"a"].additions, told[b"a"].deletions) == ("modified", 2, 1)
    assert (told[b"b"].status, told[b"b"].binary) == ("modified", True)
    assert (told[b"c/new"].status, told[b"c/new"].old_path) == ("renamed", b"c/old")
    assert list(told) == sorted(told)


async def test_a_long_diff_is_cut_between_files(desk: Desk) -> None:
    """What is there of it is a diff; all files are told."""
    lines = changes.MAX_DIFF_BYTES // 4 // 10
    desk.put(**{f"f{n}": f"{n:08}\n" * lines for n in range(6)})
    told = await desk.changes()
    assert told.truncated
    assert len(told.files) == 6
    assert len(told.diff) <= changes.MAX_DIFF_BYTES
    subprocess.run(
        ["git", "apply", "--check"], cwd=desk.workspace.parent, input=told.diff, check=True
    )


async def test_one_file_that_is_too_long_is_cut_between_lines(desk: Desk) -> None:
    """Something is better than nothing."""
    desk.put(f="0123456\n" * 250_000)
    told = await desk.changes()
    assert told.truncated
    assert told.diff.endswith(b"+0123456\n")
    assert changes.MAX_DIFF_BYTES - 10 < len(told.diff) <= changes.MAX_DIFF_BYTES


async def test_many_files_are_cut_too(desk: Desk) -> None:
    """The answer has a bound, and says that there is more."""
    desk.put(**{f"f{n}": "" for n in range(changes.MAX_FILES + 1)})
    told = await desk.changes()
    assert (len(told.files), told.truncated) == (changes.MAX_FILES, True)
