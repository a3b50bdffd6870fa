"""What an agent asks: how it is shown, and what a typed line says to it. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from gateway.cli.printable import one_line, printable

_SHOWN = 6000
_SHOWN_LINES = 100
_GUTTER = "  │ "
_WORDS = {
    "y": "once",
    "yes": "once",
    "once": "once",
    "a": "always",
    "always": "always",
    "n": "reject",
    "no": "reject",
    "reject": "reject",
}
_KEYS = {"once": "y", "always": "a", "reject": "n"}
_NAMES = {"once": "[y] once", "always": "[a] always", "reject": "[n] reject"}


class Asked(Protocol):
    """One prompt; answered by one line or several."""

    @property
    def label(self) -> str:
        """What stands before the line that is typed."""
        ...

    def shown(self) -> str:
        """What is asked, in full as far as that is possible; hostile marks made visible."""
        ...

    def take(self, line: str) -> Mapping[str, Any] | str:
        """The answer in wire form; or a hint, "" when the next question is asked now."""
        ...


def asked_of(kind: str, data: Mapping[str, Any]) -> Asked:
    """Of an asked event's `kind` and `data`."""
    if kind == "question.asked":
        questions = data.get("questions")
        told = questions if isinstance(questions, list) else []
        return QuestionsAsked([each for each in told if isinstance(each, dict)])
    options = data.get("options")
    known = [each for each in options if each in _KEYS] if isinstance(options, list) else []
    return PermissionAsked(str(data.get("tool", "")), data.get("input"), known or list(_KEYS))


@dataclass(frozen=True, slots=True)
class PermissionAsked:
    """May `tool` be called with this input?"""

    tool: str
    input: object
    options: Sequence[str]

    @property
    def label(self) -> str:
        return "/".join(_KEYS[each] for each in self.options)

    def shown(self) -> str:
        head = f"? May it use {one_line(self.tool, limit=80)}?"
        keys = "  ".join(_NAMES[each] for each in self.options)
        return "\n".join([head, *_in_full(self.input), f"  {keys}  (n WHY tells the model why)"])

    def take(self, line: str) -> Mapping[str, Any] | str:
        word, _, rest = line.strip().partition(" ")
        decision = _WORDS.get(word.lower(), "")
        if decision not in self.options or (rest and decision != "reject"):
            return f"{self.label} answers what is asked; messages can be sent after that"
        return {"decision": decision, "message": rest.strip()}


@dataclass(slots=True)
class QuestionsAsked:
    """One after the other. Owned by Asking, which gives it the lines."""

    questions: Sequence[Mapping[str, Any]]
    _answers: list[list[str]] = field(default_factory=list)

    @property
    def label(self) -> str:
        labels = self._labels()
        return f"1-{len(labels)}" if len(labels) > 1 else "1" if labels else "answer"

    def shown(self) -> str:
        question = self._question()
        number = f" ({len(self._answers) + 1} of {len(self.questions)})"
        head = printable(str(question.get("question", "")))[:_SHOWN]
        lines = [f"?{number if len(self.questions) > 1 else ''} {_indented(head)}"]
        for count, option in enumerate(_options(question), 1):
            about = one_line(str(option.get("description", "")), limit=200)
            label = one_line(str(option.get("label", "")), limit=200)
            lines.append(f"  [{count}] {label}{' - ' if about else ''}{about}")
        return "\n".join([*lines, f"  {self._how()}"])

    def take(self, line: str) -> Mapping[str, Any] | str:
        chosen = self._chosen(line.strip())
        if not chosen:
            return self._how()
        self._answers.append(chosen)
        if len(self._answers) < len(self.questions):
            return ""
        return {"answers": self._answers}

    def _chosen(self, text: str) -> list[str]:
        """None where it says nothing that could be meant."""
        labels = self._labels()
        words = text.replace(",", " ").split()
        if not labels or not words or not all(map(str.isdecimal, words)):
            return [text] if text else []
        numbers = [int(word) for word in words]
        many = bool(self._question().get("multiple"))
        if (len(numbers) > 1 and not many) or not all(1 <= n <= len(labels) for n in numbers):
            return []
        return [labels[number - 1] for number in dict.fromkeys(numbers)]

    def _how(self) -> str:
        if not self._labels():
            return "type an answer"
        several = "numbers" if self._question().get("multiple") else "a number"
        return f"{several}, or an answer of your own"

    def _question(self) -> Mapping[str, Any]:
        at = len(self._answers)
        return self.questions[at] if at < len(self.questions) else {}

    def _labels(self) -> list[str]:
        return [str(option.get("label", "")) for option in _options(self._question())]


def _options(question: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    options = question.get("options")
    told = options if isinstance(options, list) else []
    return [each for each in told if isinstance(each, dict) and each.get("label")]


def _in_full(given: object) -> list[str]:
    """Whoever allows something has to see what; what is not shown is at least told."""
    text = printable(_text(given))
    lines = text[:_SHOWN].split("\n")[:_SHOWN_LINES] if text else []
    shown = [f"{_GUTTER}{line}" for line in lines]
    left = len(text) - len("\n".join(lines))
    return [*shown, f"{_GUTTER}… and {left:,} more characters"] if left else shown


def _text(given: object) -> str:
    if not isinstance(given, dict):
        return "" if given in (None, "") else _word(given)
    return "\n".join(f"{name}: {_word(value)}" for name, value in given.items())


def _word(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
