"""A new agent on its way: what its launcher says of it, until it is ready."""

import asyncio
import contextlib
from collections.abc import Callable

from gateway.cli.api import JSON, Api
from gateway.cli.errors import Trouble

_QUIET_S = 1.0
"""An agent that is ready sooner needs no words."""
_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 1.0
_OVER = {"Failed", "Succeeded"}
_IN_VAIN = {
    "CrashLoopBackOff",
    "ErrImageNeverPull",
    "Error",
    "InvalidImageName",
    "Restarting",
    "RunContainerError",
    "Terminating",
}
"""Reasons that no waiting helps: what has ended at once ends again."""


class Starting:
    """One agent, followed by one task. `tell` gets a line whenever there is something new.

    Attributes:
        agent_id: "" until the gateway has made it.
    """

    def __init__(self, api: Api, *, tell: Callable[[str], None], limit_s: float) -> None:
        self._api = api
        self._tell = tell
        self._limit_s = limit_s
        self._told = ""
        self.agent_id = ""

    async def until_ready(self, made: JSON) -> JSON:
        """The agent, ready. One that cannot be is deleted again.

        Raises:
            Trouble: why it is not, in the gateway's words.
        """
        self.agent_id = str(made.get("agent_id"))
        now = asyncio.get_running_loop().time
        began_s = now()
        pause_s = _FIRST_PAUSE_S
        agent = made
        while not agent.get("ready"):
            if _is_vain(agent):
                raise await self._given_up(f"could not be started: {_words(agent)}")
            if now() - began_s > self._limit_s:
                raise await self._given_up(
                    f"was not ready within {self._limit_s:g} s: {_words(agent)}"
                )
            if now() - began_s > _QUIET_S:
                self._say(_words(agent))
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
            agent = await self._api.show_agent(self.agent_id)
        return agent

    def _say(self, words: str) -> None:
        if words != self._told:
            self._told = words
            self._tell(words)

    async def _given_up(self, why: str) -> Trouble:
        with contextlib.suppress(Trouble):
            await self._api.delete_agent(self.agent_id, graceful=False)
            return Trouble(f"the agent {why}; it is deleted")
        return Trouble(f"the agent {self.agent_id} {why}; `forge agents delete` removes it")


def _is_vain(agent: JSON) -> bool:
    reason = agent.get("reason")
    died = reason in _IN_VAIN and bool(agent.get("message"))
    return agent.get("phase") in _OVER or died


def _words(agent: JSON) -> str:
    """Phase, reason and message, as far as there are any."""
    head = ", ".join(str(agent[name]) for name in ("phase", "reason") if agent.get(name))
    return f"{head}: {agent['message']}" if agent.get("message") else head
