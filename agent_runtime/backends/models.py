"""The models that a CLI lists, and what is said of one that it does not."""

import difflib
from collections.abc import Sequence
from dataclasses import replace

from agent_runtime.errors import Invalid
from agent_runtime.model import Outcome, TurnEnd

_SHOWN = 20


def refuse_unknown(called: str, model: str, known: Sequence[str]) -> None:
    """Raises Invalid, naming those that are like it."""
    if model not in known:
        raise Invalid(f"model: {called} knows no {model!r}; {_like(model, known)}")


def explained(end: TurnEnd, model: str, known: Sequence[str]) -> TurnEnd:
    """An end that an unknown model may have brought about says which are known."""
    if end.outcome is not Outcome.FAILED or not model or not known or model in known:
        return end
    return replace(end, message=f"{end.message} ({_like(model, known)})")


def _like(model: str, known: Sequence[str]) -> str:
    like = difflib.get_close_matches(model, known, n=_SHOWN, cutoff=0.0)
    more = len(known) - len(like)
    return f"known are {', '.join(like) or 'none'}" + (f" and {more} others" if more else "")
