"""The forms of texts on the wire: each a type that decodes, refuses in words and describes itself.

They stand in the models of bodies and queries where a plain `str` would let
through what cannot be stored, sent to an agent or put into a header.
"""

import re
from typing import Any, ClassVar, TypeGuard

from msgspec import UNSET, UnsetType

Schema = dict[str, Any]


class Form(str):
    """A text that has been checked.

    Attributes:
        pattern: for the whole text; the common subset of Python's and ECMA's syntax.
        needed: what would be right, in words.
    """

    __slots__ = ()
    pattern: ClassVar[str]
    needed: ClassVar[str]
    shortest: ClassVar[int] = 1
    longest: ClassVar[int]
    example: ClassVar[str]

    @classmethod
    def of(cls, text: str) -> "Form":
        """Raises ValueError with the right form in words."""
        if not cls.shortest <= len(text) <= cls.longest or not re.fullmatch(cls.pattern, text):
            raise ValueError(f"{cls.needed} is needed")
        return cls(text)

    @classmethod
    def schema(cls) -> Schema:
        return {
            "type": "string",
            "minLength": cls.shortest,
            "maxLength": cls.longest,
            "pattern": f"^{cls.pattern}$",
            "description": f"{cls.needed[0].upper()}{cls.needed[1:]}.",
            "examples": [cls.example],
        }


class Owner(Form):
    """Who an agent belongs to."""

    pattern = r"[^\x00-\x1f\x7f]+"
    needed = "a text of 1 to 512 characters without control characters"
    longest = 512
    example = "ada"


class RequestId(Form):
    """Names a turn."""

    pattern = r"[A-Za-z0-9_-]+"
    needed = "1 to 128 letters, digits, `_` or `-`"
    longest = 128
    example = "req_0123456789abcdef"


class BackendName(Form):
    pattern = r"[A-Za-z0-9._-]+"
    needed = "the name of a backend, up to 64 letters, digits, `.`, `_` or `-`,"
    longest = 64
    example = "command"


class ModelName(Form):
    pattern = r"[^\x00-\x1f\x7f]*"
    needed = "a model in the backend's own form, up to 256 characters without control characters,"
    shortest = 0
    longest = 256
    example = "anthropic/claude-sonnet-4-5"


class ModelChange(Form):
    pattern = r"[!-~]+"
    needed = "a model in the backend's own form, up to 256 printable characters without spaces,"
    longest = 256
    example = "anthropic/claude-sonnet-4-5"


class VariableName(Form):
    pattern = r"[A-Za-z_][A-Za-z0-9_]*"
    needed = "a variable's name of letters, digits and `_`, at most 128,"
    longest = 128
    example = "ANTHROPIC_API_KEY"


class VariableValue(Form):
    pattern = r"[^\x00]*"
    needed = "a text of up to 32768 characters without NUL"
    shortest = 0
    longest = 32768
    example = "sk-..."


class LabelName(Form):
    pattern = r"[A-Za-z0-9]([A-Za-z0-9._/-]*[A-Za-z0-9])?"
    needed = "a label's name of letters, digits, `.`, `_`, `-` and `/`, at most 253,"
    longest = 253
    example = "team"


class LabelValue(Form):
    pattern = r"([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?"
    needed = "a label's value of letters, digits, `.`, `_` and `-`, at most 63,"
    shortest = 0
    longest = 63
    example = "search"


class KindGlob(Form):
    """Kinds of events: small letters as they stand, `*`, `?`, `[` as in names of files."""

    pattern = r"[a-z.*?\[\]!-]+"
    needed = "an event kind such as `text` or `tool.*`, at most 64 characters,"
    longest = 64
    example = "tool.*"


class ToolGlob(Form):
    """Tools in a backend's own words, `*`, `?`, `[` as in names of files."""

    pattern = r"[!-~]+"
    needed = "a tool such as `bash` or `web*`, up to 128 printable characters without spaces,"
    longest = 128
    example = "bash"


class PromptId(Form):
    """Names what an agent has asked."""

    pattern = r"[A-Za-z0-9._:-]+"
    needed = "1 to 128 letters, digits, `.`, `_`, `:` or `-`"
    longest = 128
    example = "per_0123456789abcdef"


class Told(Form):
    """What a user says to a prompt."""

    pattern = r"[\s\S]+"
    needed = "a text of 1 to 16384 characters"
    longest = 16384
    example = "Use the staging table instead"


class Content(Form):
    """What the user says."""

    pattern = r"[\s\S]+"
    needed = "a text that is not empty"
    longest = 2**31
    example = "Say hello"

    @classmethod
    def of(cls, text: str) -> "Form":
        if not text:
            raise ValueError(f"{cls.needed} is needed")
        return cls(text)

    @classmethod
    def schema(cls) -> Schema:
        return {"type": "string", "minLength": 1, "examples": [cls.example]}


class WebhookUrl(Form):
    """Only what a schema can say; `check_target` knows the rest."""

    pattern = r"https?://\S+"
    needed = "an http or https URL of at most 2048 characters"
    longest = 2048
    example = "http://127.0.0.1:9000/webhook"


class FileUrl(Form):
    pattern = r"https?://\S+"
    needed = "an http or https URL of at most 2048 characters"
    longest = 2048
    example = "https://files.example.com/screen.png"


class FileName(Form):
    pattern = r"[^\x00-\x1f\x7f/\\]+"
    needed = "a file's name of 1 to 255 characters, without slashes and control characters,"
    longest = 255
    example = "screen.png"


class MimeType(Form):
    pattern = r"[a-z]+/[a-z0-9.+-]+"
    needed = "a media type such as image/png, in small letters and without parameters,"
    longest = 100
    example = "image/png"


class WebhookSecret(Form):
    pattern = r"[^\x00]*"
    needed = "a secret of at most 512 bytes"
    shortest = 0
    longest = 512
    example = "whsec_c2VjcmV0LXNlY3JldC1zZWNyZXQtMDE="


class Flag(Form):
    """A query parameter that is true or false."""

    pattern = r"true|false"
    needed = "`true` or `false`"
    longest = 5
    example = "true"

    @classmethod
    def schema(cls) -> Schema:
        return {"type": "boolean"}


class PermissionMode(Form):
    """What the CLI may do without being asked."""

    pattern = r"default|acceptEdits|bypassPermissions"
    needed = "`default`, `acceptEdits` or `bypassPermissions`"
    longest = 17
    example = "acceptEdits"

    @classmethod
    def schema(cls) -> Schema:
        return {"type": "string", "enum": cls.pattern.split("|")}


def plain(form: Form | UnsetType, default: str = "") -> str:
    """The text itself, for rooms that know no forms."""
    return default if form is UNSET else str(form)


def decode(kind: type, value: Any) -> Any:
    """msgspec's `dec_hook` for the forms; a ValueError becomes an error with the path."""
    if not _is_form(kind):
        raise NotImplementedError(kind)
    if not isinstance(value, str):
        raise ValueError(f"{kind.needed} is needed")  # noqa: TRY004 - msgspec wants a ValueError
    return kind.of(value)


def schema(kind: type) -> Schema:
    """msgspec's `schema_hook` for the forms."""
    if not _is_form(kind):
        raise NotImplementedError(kind)
    return kind.schema()


def _is_form(kind: type) -> TypeGuard[type[Form]]:
    return issubclass(kind, Form)
