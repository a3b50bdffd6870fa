"""The models that the CLI lists, and what is said of one that it does not."""

import difflib
import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from agent_runtime.backends.opencode.client import Client
from agent_runtime.errors import BackendCrashed, Invalid, Refused
from agent_runtime.model import Outcome, TurnEnd

log = logging.getLogger(__name__)

_SHOWN = 20


class Models:
    """As `provider/model`; none are known before the CLI has run."""

    def __init__(self, known: Sequence[str] = ()) -> None:
        self._known = tuple(known)

    @classmethod
    async def told_by(cls, client: Client) -> Self:
        """A CLI that does not tell them can be used all the same."""
        try:
            return cls(await client.models())
        except (BackendCrashed, Refused) as error:
            log.info("models_not_told", extra={"reason": str(error)})
            return cls()

    def check(self, model: str) -> None:
        """Raises Invalid, naming those that are like it."""
        if self._known and model not in self._known:
            raise Invalid(f"model: opencode knows no {model!r}; {self._like(model)}")

    def explain(self, end: TurnEnd, model: str) -> TurnEnd:
        """An end that an unknown model may have brought about says which are known."""
        if end.outcome is not Outcome.FAILED or not model or model in self._known:
            return end
        return replace(end, message=f"{end.message} ({self._like(model)})")

    def _like(self, model: str) -> str:
        like = difflib.get_close_matches(model, self._known, n=_SHOWN, cutoff=0.0)
        more = len(self._known) - len(like)
        return f"known are {', '.join(like) or 'none'}" + (f" and {more} others" if more else "")
