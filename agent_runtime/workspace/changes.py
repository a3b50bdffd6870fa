"""What is different between two trees: the files, and a unified diff of their content."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice

from agent_runtime.workspace.entries import LEFT_OUT_MODE
from agent_runtime.workspace.git import Git, check

MAX_DIFF_BYTES = 1024 * 1024
MAX_FILES = 1000
_LIST_BYTES = 8 * 1024 * 1024
_PATCH_BYTES = 2 * MAX_DIFF_BYTES
"""With what is not shown."""

_STATUS = {b"A": "added", b"D": "deleted", b"M": "modified", b"R": "renamed", b"T": "modified"}
_HOW = ("diff-tree", "-r", "-M", "--no-ext-diff", "--no-textconv", "--no-color", "--no-abbrev")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """`old_path`: of one that was renamed. `left_out`: too large, or not readable, before or
    after: its content is not in the diff. `sections`: how many of git's diff are about it."""

    path: bytes
    status: str
    old_path: bytes = b""
    additions: int = 0
    deletions: int = 0
    binary: bool = False
    left_out: bool = False
    sections: int = 1


@dataclass(frozen=True, slots=True)
class Changes:
    """`truncated`: there are more files, or more of the diff."""

    files: tuple[FileChange, ...] = ()
    diff: bytes = b""
    truncated: bool = False


async def between(git: Git, before: str, after: str) -> Changes:
    """Raises NoDiff, GitFailed."""
    if before == after:
        return Changes()
    trees = (before, after)
    listed = await git.run(*_HOW, "-z", "--raw", "--numstat", *trees, most_bytes=_LIST_BYTES)
    check("diff-tree", listed)
    files = _files(listed.stdout[: listed.stdout.rfind(b"\0") + 1])
    patch = await git.run(*_HOW, "-p", *trees, most_bytes=_PATCH_BYTES)
    check("diff-tree", patch)
    diff = _shown(files, patch.stdout)
    return Changes(
        tuple(files[:MAX_FILES]),
        diff if len(diff) <= MAX_DIFF_BYTES and not patch.cut else _cut(diff[:MAX_DIFF_BYTES]),
        truncated=listed.cut or len(files) > MAX_FILES or patch.cut or len(diff) > MAX_DIFF_BYTES,
    )


def _shown(files: list[FileChange], patch: bytes) -> bytes:
    """Without what git says of files that are left out. It tells of files in their order."""
    sections = iter(re.split(rb"^(?=diff --git )", patch, flags=re.MULTILINE)[1:])
    shown = []
    for file in files:
        told = islice(sections, file.sections)
        shown += [section for section in told if not file.left_out]
    return b"".join(shown)


def _cut(diff: bytes) -> bytes:
    """Whole files; of one that is too large by itself, whole lines."""
    last = diff.rfind(b"\ndiff --git ")
    return diff[: 1 + (last if last >= 0 else diff.rfind(b"\n"))]


def _files(told: bytes) -> list[FileChange]:
    """As `--raw --numstat -z` lists them: first all of the one, then all of the other."""
    words = iter(told.split(b"\0"))
    found: dict[bytes, FileChange] = {}
    for word in words:
        if word.startswith(b":"):
            change = _raw(word, words)
            if change is not None:
                found[change.path] = change
        elif word:
            _count(word, words, found)
    return list(found.values())


def _raw(word: bytes, words: Iterator[bytes]) -> FileChange | None:
    """None when it is not whole."""
    before, after, _, _, status = word[1:].split(b" ")
    paths = [next(words, b"")]
    if status[:1] == b"R":
        paths.append(next(words, b""))
    if not all(paths):
        return None
    return FileChange(
        path=paths[-1],
        old_path=paths[0] if len(paths) > 1 else b"",
        status=_STATUS.get(status[:1], "modified"),
        left_out=LEFT_OUT_MODE in (before, after),
        sections=2 if status == b"T" else 1,
    )


def _count(word: bytes, words: Iterator[bytes], found: dict[bytes, FileChange]) -> None:
    added, deleted, path = word.split(b"\t", 2)
    if not path:  # it was renamed: the names follow
        next(words, b"")
        path = next(words, b"")
    change = found.get(path)
    if change is None or change.left_out:
        return
    if added == b"-":
        found[path] = replace(change, binary=True)
    else:
        found[path] = replace(change, additions=int(added), deletions=int(deleted))
