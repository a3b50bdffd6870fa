"""The private repository: trees of what the workspace holds, and their upkeep."""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from agent_runtime.errors import GitFailed, NoDiff
from agent_runtime.workspace import entries
from agent_runtime.workspace.entries import Entries
from agent_runtime.workspace.git import Git

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""Which every repository has."""

MAX_BYTES = 256 * 1024 * 1024
"""Of the repository: beyond, changed files are left out."""
MAX_TREE_BYTES = 192 * 1024 * 1024
"""Of content that one tree may add."""
_TIDY_BYTES = 16 * 1024 * 1024
_TIDY_TREES = 100
_TIDY_LIMIT_S = 120.0

_BATCH = 4000
"""Files taken at a time: what is broken off in between need not be taken again."""
_MAX_NESTED = 8
"""Repositories within repositories that are looked into."""
_LOOK_INSIDE = b".forge-look-inside"
"""Named in the index only: git looks into a folder with a `.git` when it knows a file there."""


class Repository:
    """What git keeps of a workspace. The caller has one method run at a time."""

    def __init__(self, git: Git, *, max_bytes: int = MAX_BYTES) -> None:
        self.git = git
        self._max_bytes = max_bytes
        self._made = False
        self._tree = EMPTY_TREE if not git.exists else ""
        self._left_out: dict[bytes, str] | None = None
        self._size_bytes = 0
        self._added_bytes = self._trees = 0

    @property
    def untidy(self) -> bool:
        """Whether so much came since `tidy` that it is worth its time."""
        much = max(_TIDY_BYTES, self._size_bytes // 4)
        return self._added_bytes > much or self._trees >= _TIDY_TREES

    async def tree(self) -> str:
        """The tree of what the workspace holds now; who writes meanwhile may be seen half.

        Raises:
            NoDiff: no git, or too many files.
            GitFailed
        """
        if self.untouched:
            return EMPTY_TREE
        await self._make()
        try:
            return await self._look()
        except GitFailed as failed:  # files come and go under git's hands
            if failed.late or failed.cut:
                raise
            return await self._look()

    @property
    def untouched(self) -> bool:
        """Whether nothing has ever been seen in the workspace: then there is no repository."""
        return not self.git.exists and self._empty()

    async def tidy(self, trees: Iterable[str]) -> None:
        """Let go of all but these trees and the last one. Raises NoDiff, GitFailed."""
        self._added_bytes = self._trees = 0  # also where it fails: not again at once
        kept = {tree for tree in trees if tree != EMPTY_TREE}
        await self._make()
        told = await self.git.ask("for-each-ref", "--format=%(refname:lstrip=2)")
        known = set(told.decode("ascii").split())
        orders = [f"create refs/trees/{tree} {tree}" for tree in sorted(kept - known)]
        orders += [f"delete refs/trees/{tree}" for tree in sorted(known - kept)]
        await self.git.ask(
            "update-ref", "--stdin", stdin="".join(f"{o}\n" for o in orders).encode()
        )
        await self.git.ask("gc", "--quiet", "--prune=now", "--force", limit_s=_TIDY_LIMIT_S)
        self._size_bytes = await self._measured()

    @property
    def full(self) -> bool:
        """Whether changed files are left out for want of room."""
        return self._size_bytes >= self._max_bytes

    def remove(self) -> None:
        """All of it; the next `tree` begins anew."""
        shutil.rmtree(self.git.folder, ignore_errors=True)
        self._made = False
        self._tree, self._left_out = EMPTY_TREE, None
        self._size_bytes = self._added_bytes = self._trees = 0

    async def _make(self) -> None:
        if self._made and self.git.exists:
            return
        await self.git.make()
        self._size_bytes = await self._measured()
        self._made = True

    async def _measured(self) -> int:
        told = await self.git.ask("count-objects", "-v")
        facts = dict(line.split(": ") for line in told.decode("ascii").splitlines())
        return 1024 * (int(facts["size"]) + int(facts["size-pack"]))

    def _empty(self) -> bool:
        try:
            return next(self.git.workspace.iterdir(), None) is None
        except OSError:
            return False

    async def _look(self) -> str:
        (self.git.folder / "index.lock").unlink(missing_ok=True)  # one that was killed left it
        await self._let_folders_in()
        changed = await self._changed()
        if changed:
            self._tree = ""  # whatever interrupts what follows
            await self._take(changed)
        if not self._tree:
            self._tree = (await self.git.ask("write-tree")).decode("ascii").strip()
            self._trees += 1
        return self._tree

    async def _changed(self) -> list[bytes]:
        """Paths whose content may differ from what the index holds."""
        for _ in range(_MAX_NESTED):
            listed = await self._listed()
            nested = [path for path in listed if path.endswith(b"/")]
            if not nested:
                break
            marks = b"".join(_mark(path) for path in nested)
            await self._update_index("--index-info", marks)
        return [path for path in listed if not path.endswith(b"/")]

    async def _listed(self) -> list[bytes]:
        ignoring = ["--exclude-per-directory=.gitignore", *self._excludes()]
        try:
            told = await self.git.ask("ls-files", "-z", "-o", "-m", *ignoring, looks=True)
        except GitFailed as failed:
            if failed.cut:
                raise NoDiff(
                    "the workspace has too many files for a diff; "
                    "name what is not worth one in its .gitignore"
                ) from failed
            raise
        return list(dict.fromkeys(path for path in told.split(b"\0") if path))

    def _excludes(self) -> list[str]:
        """What belongs to the workspace's own repository, and never the agent's state."""
        exclude = self.git.workspace / ".git" / "info" / "exclude"
        given = [f"--exclude-from={exclude}"] if stat.S_ISREG(_mode(exclude)) else []
        state = self.git.folder.parent
        if state.is_relative_to(self.git.workspace):
            given.append(f"--exclude=/{state.relative_to(self.git.workspace)}")
        return given

    async def _let_folders_in(self) -> None:
        """Where a file was left out and a folder is now, git would not look."""
        before = await self._known_left_out()
        if before and (folders := await asyncio.to_thread(self._folders, list(before))):
            self._tree, self._left_out = "", None
            await self._update(Entries(gone=list(folders)))
            self._left_out = {p: s for p, s in before.items() if p not in folders}

    def _folders(self, paths: Iterable[bytes]) -> set[bytes]:
        root = os.fsencode(self.git.workspace)
        return {path for path in paths if stat.S_ISDIR(_mode(os.path.join(root, path)))}  # noqa: PTH118 - not every name is text

    async def _take(self, changed: list[bytes]) -> None:
        before = await self._known_left_out()
        room = min(MAX_TREE_BYTES, max(0, self._max_bytes - self._size_bytes))
        found = await asyncio.to_thread(
            entries.sort, self.git.workspace, changed, left_out=before, room_bytes=room
        )
        self._left_out = None  # until it is true again
        await self._update(found)
        settled = {*found.gone, *found.taken}
        self._left_out = {p: s for p, s in before.items() if p not in settled} | found.left_out
        self._added_bytes += found.taken_bytes
        self._size_bytes += found.taken_bytes

    async def _update(self, found: Entries) -> None:
        if told := found.index_info:
            await self._update_index("--index-info", told)
        for first in range(0, len(found.taken), _BATCH):
            some = found.taken[first : first + _BATCH]
            await self._update_index("--stdin", b"\0".join((*some, b"")))

    async def _update_index(self, how: str, told: bytes) -> None:
        given = ("-z", "--add", "--remove", "--replace", how)
        await self.git.ask("update-index", *given, looks=True, stdin=told)

    async def _known_left_out(self) -> dict[bytes, str]:
        """Of the index, once: afterwards it is kept up to date."""
        if self._left_out is None:
            told = await self.git.ask("ls-files", "-z", "--stage", looks=True, most_bytes=2**28)
            lines = (line.partition(b"\t") for line in told.split(b"\0") if line)
            self._left_out = {
                path: info.split()[1].decode("ascii")
                for info, _, path in lines
                if info.startswith(entries.LEFT_OUT_MODE)
            }
        return self._left_out


def _mark(folder: bytes) -> bytes:
    """Of a nested repository, with its slash; it is gone before a tree is written."""
    return b"100644 e69de29bb2d1d6434b8b29ae775ad8c2e48c5391\t" + folder + _LOOK_INSIDE + b"\0"


def _mode(place: bytes | Path) -> int:
    """0 when there is nothing."""
    try:
        return os.lstat(place).st_mode
    except OSError:
        return 0
