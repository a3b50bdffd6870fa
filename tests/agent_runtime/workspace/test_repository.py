"""What of a workspace a tree holds, and what it takes no notice of."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

from agent_runtime.errors import NoDiff
from agent_runtime.workspace import repository
from agent_runtime.workspace.changes import between
from agent_runtime.workspace.entries import MAX_FILE_BYTES
from agent_runtime.workspace.repository import EMPTY_TREE
from tests.agent_runtime.workspace.desk import Desk


async def test_a_folder_without_a_repository_has_a_diff(desk: Desk) -> None:
    """Nobody has to run `git init`; and nothing of git's comes into the workspace."""
    desk.put(a__txt="one\n", sub_0_b__txt="two\n")
    assert await desk.statuses() == {"a.txt": "added", "sub/b.txt": "added"}
    desk.put(a__txt="uno\n")
    (desk.workspace / "sub" / "b.txt").unlink()
    assert await desk.statuses() == {"a.txt": "modified", "sub/b.txt": "deleted"}
    assert {path.name for path in desk.workspace.iterdir()} == {"a.txt", "sub"}


async def test_a_workspace_that_stays_empty_costs_no_git(tmp_path: Path) -> None:
    """Agents whose command writes nothing there pay nothing; git may even be missing."""
    desk = Desk.under(tmp_path, env={"PATH": str(tmp_path)})
    assert await desk.repository.tree() == EMPTY_TREE
    assert not desk.repository.git.folder.exists()


async def test_without_git_it_says_so(tmp_path: Path) -> None:
    """The message names what is to be installed."""
    desk = Desk.under(tmp_path, env={"PATH": str(tmp_path)})
    desk.put(a="1")
    with pytest.raises(NoDiff, match="git is not installed") as caught:
        await desk.repository.tree()
    assert caught.value.capability == "diff"


async def test_a_users_repository_is_not_touched(desk: Desk) -> None:
    """Neither index nor HEAD nor anything else below `.git` changes, and no hook runs."""
    desk.user_git("init", "-q")
    desk.put(a__txt="one\n")
    desk.user_git("add", "a.txt")
    desk.user_git("commit", "-qm", "one")
    desk.put(b__txt="staged\n", c__txt="not staged\n")
    desk.user_git("add", "b.txt")
    for hook in ("post-index-change", "pre-commit", "fsmonitor-watchman"):
        path = desk.workspace / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ntouch {desk.workspace.parent}/ran\n")
        path.chmod(0o755)
    before = contents(desk.workspace / ".git")
    assert set(await desk.statuses()) == {"a.txt", "b.txt", "c.txt"}
    desk.put(a__txt="two\n")
    assert await desk.statuses() == {"a.txt": "modified"}
    assert contents(desk.workspace / ".git") == before
    assert not (desk.workspace.parent / "ran").exists()


async def test_a_commit_changes_no_file(desk: Desk) -> None:
    """What is told are files, whatever the user's repository knows of them by then."""
    desk.user_git("init", "-q")
    desk.put(a="1\n")
    await desk.changes()
    desk.user_git("add", "-A")
    desk.user_git("commit", "-qm", "one")
    assert await desk.statuses() == {}


async def test_what_git_ignores_is_not_looked_at(desk: Desk) -> None:
    """By `.gitignore` at every level, and by the repository's own exclude file."""
    desk.user_git("init", "-q")
    (desk.workspace / ".git" / "info" / "exclude").write_text("*.mine\n")
    desk.put(__gitignore="*.log\n/build/\n", x__log="", build_0_y="", z__mine="", a="1")
    desk.put(sub_0___gitignore="!keep.log\n", sub_0_keep__log="1", sub_0_x__log="1")
    assert set(await desk.statuses()) == {
        ".gitignore",
        "a",
        "sub/.gitignore",
        "sub/keep.log",
    }


async def test_repositories_within_are_looked_into(desk: Desk) -> None:
    """An agent's `git clone` makes one: its files are told, its `.git` is not."""
    desk.put(one_0_a="1\n", one_0_two_0_b="2\n", empty_0_x="")
    for name in ("one", "one/two", "empty"):
        desk.user_git("init", "-q", cwd=desk.workspace / name)
    (desk.workspace / "empty" / "x").unlink()
    desk.put(gone_0___git="gitdir: /nowhere\n", gone_0_c="3\n")
    assert set(await desk.statuses()) == {"one/a", "one/two/b", "gone/c"}
    desk.put(one_0_two_0_b="2\n2\n", empty_0_d="4\n")
    shutil.rmtree(desk.workspace / "gone")
    assert await desk.statuses() == {
        "one/two/b": "modified",
        "empty/d": "added",
        "gone/c": "deleted",
    }


async def test_links_are_not_followed(desk: Desk) -> None:
    """Neither out of the workspace nor in circles."""
    (desk.workspace.parent / "outside").mkdir()
    (desk.workspace.parent / "outside" / "secret").write_text("secret")
    (desk.workspace / "out").symlink_to("../outside")
    (desk.workspace / "self").symlink_to("self")
    (desk.workspace / "up").symlink_to(".")
    assert set(await desk.statuses()) == {"out", "self", "up"}
    assert b"secret" not in (await between(desk.repository.git, EMPTY_TREE, desk.last)).diff


async def test_names_need_not_be_text(desk: Desk) -> None:
    """Whatever a file system takes."""
    names = ["ünï", "two words", 'qu"ote', "back\\slash", "new\nline", "tab\t", ":(top)", "*"]
    for name in (*map(os.fsencode, names), b"lat\xe9n"):
        Path(os.fsdecode(os.fsencode(desk.workspace) + b"/" + name)).write_text("x")
    changes = await desk.changes()
    assert {file.path for file in changes.files} == {*map(os.fsencode, names), b"lat\xe9n"}


async def test_large_files_are_left_out_and_told(desk: Desk) -> None:
    """That they changed is true, what changed stays unknown; so is what grew too large."""
    desk.put(large=b"x" * (MAX_FILE_BYTES + 1), grows="small\n", other="1\n")
    first = {file.path: file for file in (await desk.changes()).files}
    assert first[b"large"].left_out
    assert not first[b"grows"].left_out
    assert await desk.statuses() == {}
    desk.put(large=b"y" * (MAX_FILE_BYTES + 2), grows=b"z" * (MAX_FILE_BYTES + 1), other="2\n")
    changes = await desk.changes()
    assert {f.path: (f.status, f.left_out) for f in changes.files} == {
        b"large": ("modified", True),
        b"grows": ("modified", True),
        b"other": ("modified", False),
    }
    assert changes.diff.count(b"diff --git ") == 1
    assert b"-1\n+2\n" in changes.diff


async def test_what_is_left_out_is_known_to_the_next_runtime(tmp_path: Path) -> None:
    """It has not changed because a runtime was started."""
    desk = Desk.under(tmp_path)
    desk.put(large=b"x" * (MAX_FILE_BYTES + 1))
    await desk.changes()
    again = Desk.under(tmp_path)
    assert await again.repository.tree() == desk.last


async def test_a_folder_may_take_the_place_of_a_file(desk: Desk) -> None:
    """And the other way round; also of one that was left out, which git would not look into."""
    desk.put(large=b"x" * (MAX_FILE_BYTES + 1), file="1", folder_0_a="1")
    await desk.changes()
    for name in ("large", "file"):
        (desk.workspace / name).unlink()
    shutil.rmtree(desk.workspace / "folder")
    desk.put(large_0_in="7", file_0_in="8", folder="9")
    assert await desk.statuses() == {
        "large": "deleted",
        "large/in": "added",
        "file": "deleted",
        "file/in": "added",
        "folder": "added",
        "folder/a": "deleted",
    }


async def test_pipes_and_sockets_do_not_hang_it(desk: Desk) -> None:
    """A file that becomes one is gone; nobody opens it."""
    desk.put(a="1\n", b="1\n")
    await desk.changes()
    (desk.workspace / "a").unlink()
    os.mkfifo(desk.workspace / "a")
    os.mkfifo(desk.workspace / "new")
    async with asyncio.timeout(20):
        assert await desk.statuses() == {"a": "deleted"}


async def test_attributes_in_the_workspace_run_nothing(desk: Desk) -> None:
    """Filters and drivers are named there; what they are, only configuration could say, and
    that of the user, of the workspace and of the environment is not read."""
    ran = desk.workspace.parent / "ran"
    command = f"touch {ran}; cat"
    config = "".join(
        f'[{kind} "evil"]\n{name} = "{command}"\n'
        for kind, name in (
            ("filter", "clean"),
            ("filter", "process"),
            ("diff", "command"),
            ("diff", "textconv"),
            ("merge", "driver"),
        )
    )
    config += f'[core]\nfsmonitor = "{command}"\nhooksPath = {desk.workspace}\n[diff]\n'
    config += f'external = "{command}"\n'
    desk.user_git("init", "-q")
    for path in (".git/config", ".gitconfig", "../.gitconfig"):
        (desk.workspace / path).write_text(config)
    desk.put(__gitattributes="* filter=evil diff=evil merge=evil text eol=crlf ident\n")
    desk.put(a="$Id$ one\r\ntwo\n")
    await desk.changes()
    desk.put(a="$Id$ uno\r\ntwo\n")
    assert b"-$Id$ one\r\n+$Id$ uno\r\n two\n" in (await desk.changes()).diff
    assert not ran.exists()


async def test_what_a_cli_writes_into_the_repository_itself_runs_nothing(desk: Desk) -> None:
    """It is the same user's: but what is on the command line goes before its configuration."""
    ran = desk.workspace.parent / "ran"
    desk.put(a="1\n", __gitattributes="* filter=evil\n")
    await desk.changes()
    with (desk.repository.git.folder / "config").open("a") as config:
        config.write(f'[core]\nfsmonitor = "touch {ran}"\nhooksPath = /tmp\n')
        config.write(f'[filter "evil"]\nclean = "touch {ran}; cat"\n')
    desk.put(a="2\n")
    assert await desk.statuses() == {"a": "modified"}
    assert not ran.exists()


async def test_who_writes_meanwhile_is_tolerated(desk: Desk) -> None:
    """Files come, grow and go under git's hands; there is a tree all the same."""

    async def write() -> None:
        for n in range(10**6):
            desk.put(**{f"f{n % 50}": "x" * (n % 5000)})
            (desk.workspace / f"f{(n * 7) % 50}").unlink(missing_ok=True)
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    try:
        for _ in range(5):
            await desk.changes()
    finally:
        writing.cancel()


async def test_too_many_files_are_told_to_be_ignored(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not half of them are taken, and nothing hangs."""
    for n in range(300):
        desk.put(**{f"a_rather_long_name_for_a_file_{n}": "1"})
    run = desk.repository.git.run

    async def bounded(*args: str | bytes, **given: object) -> object:
        return await run(*args, **{**given, "most_bytes": 4096})  # type: ignore[arg-type]

    monkeypatch.setattr(desk.repository.git, "run", bounded)
    with pytest.raises(NoDiff, match="gitignore"):
        await desk.repository.tree()


async def test_a_full_repository_leaves_files_out(tmp_path: Path) -> None:
    """Its size has a bound, and what it lacks is told."""
    desk = Desk.under(tmp_path, max_bytes=100_000)
    desk.put(a=os.urandom(60_000), b=os.urandom(60_000), c="1\n")
    left_out = {file.path for file in (await desk.changes()).files if file.left_out}
    assert left_out == {b"b"}


async def test_old_trees_are_let_go(tmp_path: Path) -> None:
    """The repository does not grow with what was there once; kept trees stay whole."""
    desk = Desk.under(tmp_path)
    trees = []
    for n in range(4):
        desk.put(data=os.urandom(500_000), n=str(n))
        await desk.changes()
        trees.append(desk.last)
    await desk.repository.tidy([trees[0], trees[3]])
    assert 900_000 < size(desk.repository.git.folder) < 1_200_000
    kept = await between(desk.repository.git, trees[0], trees[3])
    assert [file.path for file in kept.files] == [b"data", b"n"]
    desk.put(n="5")
    assert await desk.statuses() == {"n": "modified"}
    await desk.repository.tidy([])
    assert size(desk.repository.git.folder) < 700_000
    assert await desk.statuses() == {}


async def test_a_lock_that_was_left_does_not_stop_it(desk: Desk) -> None:
    """Whoever was killed in the middle of a look leaves one."""
    desk.put(a="1")
    await desk.changes()
    (desk.repository.git.folder / "index.lock").touch()
    desk.put(a="2")
    assert await desk.statuses() == {"a": "modified"}


async def test_a_cancelled_look_is_made_good(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next tree is that of the workspace, wherever the one before was broken off."""
    monkeypatch.setattr(repository, "_BATCH", 2)
    for n in range(12):
        desk.put(**{f"f{n}": "x" * 1000})
        looking = asyncio.create_task(desk.repository.tree())
        await asyncio.sleep(0.003 * n)
        looking.cancel()
        await asyncio.wait({looking})
    assert set(await desk.statuses()) == {f"f{n}" for n in range(12)}


def test_the_bounds_fit_each_other() -> None:
    """One tree cannot fill the repository."""
    assert MAX_FILE_BYTES < repository.MAX_TREE_BYTES < repository.MAX_BYTES


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
