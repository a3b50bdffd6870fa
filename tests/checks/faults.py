"""docs/reliability.md ends with every fault, what is promised, and the tests that show it.

A test is of a fault by its name, `test_fault_31_...` (several numbers: `test_fault_04_05_...`);
the first sentence of its docstring is the promise.
"""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reliability.md"
_MARK = "<!-- made by `make docs` from the tests' names and docstrings -->\n"
_NAME = re.compile(r"test_fault((?:_\d\d)+)_")
_SENTENCE = re.compile(r"(.+?)\.(?:\s|$)", re.DOTALL)

FAULTS: Mapping[int, str] = dict(
    enumerate(
        (
            "500, then 200",
            "308",
            "410",
            "429 with Retry-After, in seconds and as a date",
            "nonsense in Retry-After: -5, `soon`, a past date, 1e20",
            "the gateway is killed while it waits for Retry-After",
            "404, 408, 409",
            "400, 401, 403",
            "anything but 2xx",
            "connection refused, no such name",
            "our own resolver is down",
            "headers never come",
            "a body of one byte a second",
            "an answer of 200 kB",
            "a gzip bomb",
            "a keep-alive connection closed under us",
            "every other call fails",
            "a long outage",
            "the secret is rotated in mid-turn",
            "no secret, or an empty one",
            "an edited body, a timestamp five minutes off",
            "a ticket moved to another turn or agent",
            "what was signed is what is sent",
            "private, loopback, link-local, CGNAT and metadata addresses",
            "their IPv6 forms: mapped, NAT64, 6to4, Teredo",
            "addresses written as 2130706433, 127.1, 0x7f.1",
            "a name that answers differently between check and connect",
            "a name with a public and a private address",
            "the gateway's own URL",
            "a resolver that hangs",
            "killed after the 2xx and before the acknowledgement",
            "the journal is cut off in mid-write",
            "two gateways want one agent; one of them hangs",
            "the runtime is killed in mid-turn",
            "one dead host among many turns",
            "SIGTERM in mid-POST, and a second one",
        ),
        1,
    )
)


@dataclass(frozen=True, slots=True)
class Shown:
    """A test of a fault. `where`: its file, from the root."""

    where: str
    name: str
    promise: str


def page() -> str:
    """The page as it is, with the table as it should be."""
    written, _, _ = PAGE.read_text("utf-8").partition(_MARK)
    return f"{written}{_MARK}\n{_table(_tests())}"


def differences() -> Iterator[str]:
    """One sentence a fault without a test, a number that is no fault, a table not up to date."""
    shown = _tests()
    for number in FAULTS.keys() - shown.keys():
        yield f"no test shows fault {number} ({FAULTS[number]}); name it test_fault_{number:02}_..."
    for number in shown.keys() - FAULTS.keys():
        yield f"{shown[number][0].where}: {shown[number][0].name}: there is no fault {number}"
    if PAGE.read_text("utf-8") != page():
        yield "docs/reliability.md does not list the tests of faults as they are; run `make docs`"


def write() -> None:
    PAGE.write_text(page(), "utf-8")


def _tests() -> dict[int, list[Shown]]:
    """By the number of their fault, in order of files and lines."""
    found: dict[int, list[Shown]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            if numbers := _NAME.match(node.name):
                test = Shown(str(path.relative_to(ROOT)), node.name, _promise(node))
                for number in numbers[1].split("_")[1:]:
                    found[int(number)].append(test)
    return found


def _promise(node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    told = " ".join((ast.get_docstring(node) or "").split())
    sentence = _SENTENCE.match(told)
    return sentence[1] if sentence else told


def _table(shown: Mapping[int, list[Shown]]) -> str:
    lines = ["| | what happens | promised, and shown by |", "|---|---|---|"]
    for number, what in FAULTS.items():
        cell = "<br>".join(
            f"{test.promise.replace('|', '/')} (`{test.where}::{test.name}`)"
            for test in shown.get(number, [])
        )
        lines.append(f"| {number} | {what} | {cell} |")
    return "\n".join(lines) + "\n"
