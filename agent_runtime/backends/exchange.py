"""One prompt on the pipes of a CLI: sent, followed to its end, cleared up after."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from agent_runtime.backends.stdio import JsonLines
from agent_runtime.model import Outcome, TurnEnd


class State(Protocol):
    """What the prompt has come to."""

    interrupted: bool

    @property
    def ended(self) -> bool: ...

    def end(self) -> TurnEnd: ...


class Asking(Protocol):
    """What is asked in it."""

    async def close(self) -> None: ...


async def exchange(
    lines: JsonLines,
    state: State,
    asking: Asking,
    *,
    send: Callable[[], Awaitable[None]],
    take: Callable[[bytes], Awaitable[None]],
) -> TurnEnd:
    """To the end of the prompt, and of what an interrupted one has left running.

    `take` gets every line that comes after `send`, and tells `state` of it. A prompt
    that is interrupted before it was sent is not sent.

    Raises:
        BackendCrashed: the CLI ended before the prompt did.
    """
    before = lines.members()
    with lines.listening() as inbox:
        if state.interrupted:
            return state.end()
        await send()
        try:
            while not state.ended:
                await take(await inbox.next())
        finally:
            await asking.close()
    end = state.end()
    if end.outcome is Outcome.INTERRUPTED:
        await lines.end_newer(before)
    return end
