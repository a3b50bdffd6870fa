"""One turn, watched until its final."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import click

from gateway.cli.api import Api
from gateway.cli.errors import Silence, Trouble
from gateway.cli.receiver import Receiver
from gateway.cli.screen import Screen
from gateway.cli.stopwatch import Turn
from gateway.cli.webhook import Webhook

_ASK_AFTER_S = 30.0
"""How long nothing comes before the gateway is asked whether all is well."""


async def final_of(turn: Turn, *, receiver: Receiver, api: Api, screen: Screen) -> Webhook:
    """Show the turn's webhooks (and what was refused) until its final, and return that.

    Raises:
        Trouble: nothing comes any more, and gateway or agent are gone.
    """
    while True:
        try:
            arrival = await receiver.next(timeout_s=_ASK_AFTER_S)
        except Silence:
            await api.get_agent(turn[0])
            continue
        event = arrival.event
        if event is None or event.turn == turn:
            screen.arrived(arrival)
        if event is not None and event.turn == turn and event.is_final:
            return event


@contextlib.asynccontextmanager
async def interrupting(turn: Turn, pressed: asyncio.Event, *, api: Api) -> AsyncIterator[None]:
    """While the context is open, a press interrupts the turn."""
    waiting = asyncio.create_task(_interrupt_when(pressed, turn, api), name="interrupt")
    try:
        yield
    finally:
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting


async def _interrupt_when(pressed: asyncio.Event, turn: Turn, api: Api) -> None:
    await pressed.wait()
    agent_id, request_id = turn
    click.echo("\ninterrupting; Ctrl-C again leaves at once", err=True)
    try:
        await api.interrupt(agent_id, {"target": request_id})
    except Trouble as error:
        click.echo(f"it could not be interrupted: {error.format_message()}", err=True)
