"""`forge demo`: everything at once, on this machine, to be looked at."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import click
import msgspec
import uvloop
from tenacity import AsyncRetrying, RetryError, retry_if_result, stop_after_delay, wait_fixed

from gateway import app
from gateway.cli import ports
from gateway.cli.api import Api
from gateway.cli.backends import FALLBACK, BackendReport, ask_runtime, best
from gateway.cli.connection import Connection
from gateway.cli.ctrl_c import EXIT_STATUS, unless_pressed
from gateway.cli.curl import lines_to_go_on_with
from gateway.cli.errors import Refused, Trouble
from gateway.cli.ledger import Ledger
from gateway.cli.listen import show_all
from gateway.cli.receiver import Receiver, receiving
from gateway.cli.screen import PlainConsole
from gateway.cli.turn import final_of
from gateway.cli.webhook import Webhook
from gateway.errors import GatewayError
from gateway.settings import Settings

_HOST = "127.0.0.1"
_FINAL_LIMIT_S = 180.0
"""A model may think for minutes; after that something is wrong."""
_GONE_LIMIT_S = 20.0
_SCRIPT = """\
echo "Hello! I am bash, and this script came to me as a message."
for n in 1 2 3; do sleep 0.3; echo "Line $n of 3 is on its way as it is written."; done
echo "My folder is $PWD"
"""
_PROMPT = "Say hello in one sentence, then name three things you could do for me in this folder."


@click.command()
@click.option("--once", is_flag=True, help="End after the first turn: status 0 if it completed.")
@click.option("--backend", "wanted", default="", help="Drive the agent with this one.")
def demo(once: bool, wanted: str) -> None:
    """Start a gateway, a receiver and one agent, and show a turn as webhooks.

    The agent has the best backend that is usable here: a CLI that is installed
    and has credentials, else bash. Afterwards everything stays up for you to
    try; Ctrl-C ends it and deletes the agent.

    \b
    Examples:
      forge demo
      forge demo --once --backend command
    """
    ledger = Ledger(PlainConsole(), zero_s=time.monotonic())
    try:
        status = uvloop.run(unless_pressed(_Demo(ledger, wanted).run(once=once)))
    except GatewayError as error:
        raise Trouble(str(error)) from error
    if status is None:
        status = EXIT_STATUS if once else 0
    sys.exit(status)


class _Demo:
    """One showing: what it starts, in order; all of it ends in reverse order."""

    def __init__(self, ledger: Ledger, wanted: str) -> None:
        self._ledger = ledger
        self._wanted = wanted

    async def run(self, *, once: bool) -> int:
        """The exit status: 0 when the first turn completed."""
        backend = self._choose(await asyncio.to_thread(ask_runtime))
        settings = _settings(self._ledger)
        async with app.running(settings) as gateway:
            self._ledger.milestone(gateway.url, reached="gateway up")
            connection = Connection.of(
                url=gateway.url,
                api_key=os.environ.get("FORGE_API_KEY", ""),
                user=os.environ.get("FORGE_USER"),
            )
            async with (
                Api(connection) as api,
                receiving() as receiver,
                _agent(api, backend.name, settings.state_dir) as agent_id,
            ):
                self._ledger.milestone(
                    f"{agent_id}, driven by {backend.name}", reached="agent ready"
                )
                final = await self._first_turn(api, receiver, agent_id, _first_message(backend))
                if not once:
                    _invite(connection, agent_id, receiver, content=_next_message(backend))
                    await show_all(receiver, self._ledger)
                return 0 if final.outcome == "completed" else 1

    def _choose(self, reports: Sequence[BackendReport]) -> BackendReport:
        named = [report for report in reports if report.name == self._wanted]
        if self._wanted and not named:
            known = ", ".join(report.name for report in reports)
            raise Trouble(f"there is no backend {self._wanted!r}; there are {known}")
        chosen = best(named or reports)
        self._ledger.milestone(f"backend {chosen.name}: {chosen.detail}")
        for report in reports:
            if not report.usable:
                self._ledger.milestone(f"not {report.name}: {report.detail}")
        return chosen

    async def _first_turn(
        self, api: Api, receiver: Receiver, agent_id: str, content: str
    ) -> Webhook:
        self._ledger.milestone(f"message: {content}")
        answer = await api.send(
            agent_id,
            {
                "content": content,
                "webhook_url": receiver.url,
                "webhook_secret": receiver.secret,
            },
        )
        turn = (agent_id, str(answer.get("request_id", "")))
        self._ledger.started(turn)
        self._ledger.milestone(f"turn {turn[1]}", reached="202")
        try:
            async with asyncio.timeout(_FINAL_LIMIT_S):
                final = await final_of(turn, receiver=receiver, api=api, screen=self._ledger)
        except TimeoutError as error:
            raise Trouble(f"no verified final came within {_FINAL_LIMIT_S:.0f} s") from error
        self._ledger.milestone(self._ledger.timeline())
        return final


def _invite(connection: Connection, agent_id: str, receiver: Receiver, *, content: str) -> None:
    click.echo("\nAll of it stays up; Ctrl-C ends it and deletes the agent. To go on:\n")
    for line in lines_to_go_on_with(connection, agent_id, receiver, content=content):
        click.echo(f"{line}\n")


def _settings(ledger: Ledger) -> Settings:
    """The environment's, on loopback, on a port that can be had."""
    settings = Settings.from_env(os.environ)
    port = settings.port
    if not ports.is_free(_HOST, port):
        ledger.milestone(f"port {port} is taken by {ports.holder(port)}; taking a free one")
        port = 0
    return msgspec.structs.replace(settings, host=_HOST, port=port)


def _first_message(backend: BackendReport) -> str:
    return _SCRIPT if backend.name == FALLBACK else _PROMPT


def _next_message(backend: BackendReport) -> str:
    return "date; ls -la" if backend.name == FALLBACK else "What did I ask you before?"


@contextlib.asynccontextmanager
async def _agent(api: Api, backend: str, state_dir: Path) -> AsyncIterator[str]:
    """An agent for as long as the context is open; no process of it is left afterwards.

    Also when Ctrl-C comes while it is being made: that is waited for, then undone.
    """
    making = asyncio.create_task(
        api.create_agent(backend=backend, env={}, labels={}), name="create-agent"
    )
    try:
        yield str((await asyncio.shield(making))["agent_id"])
    finally:
        agent_id = str((await making)["agent_id"])
        with contextlib.suppress(Refused):  # it has been deleted by hand
            await api.delete_agent(agent_id, graceful=False)
        await _gone(state_dir / "agents" / agent_id)


async def _gone(folder: Path) -> None:
    """An agent's folder goes last, when its process has ended. Raises Trouble."""
    looking = AsyncRetrying(
        retry=retry_if_result(bool), wait=wait_fixed(0.05), stop=stop_after_delay(_GONE_LIMIT_S)
    )
    try:
        await looking(asyncio.to_thread, folder.exists)
    except RetryError as error:
        raise Trouble(f"the agent was deleted, but its folder is still there: {folder}") from error
