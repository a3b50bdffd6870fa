"""Calls of the HTTP API as lines for a shell."""

import json
import shlex
from collections.abc import Sequence
from urllib.parse import quote

from gateway.cli.connection import Connection
from gateway.cli.receiver import Receiver


def lines_to_go_on_with(
    connection: Connection, agent_id: str, receiver: Receiver, *, content: str
) -> Sequence[str]:
    """Another message, a look at the agent, an interrupt; each works as it stands."""
    agent = f"{connection.url}/api/v1/agents/{quote(agent_id, safe='')}"
    owner = f"user_id={quote(connection.user, safe='')}" if connection.user else ""
    target = {"webhook_url": receiver.url, "webhook_secret": receiver.secret}
    key = ' -H "Authorization: Bearer $FORGE_API_KEY"' if connection.api_key else ""
    return (
        f"curl -sS{key} {_json({'content': content} | target)} {_word(f'{agent}/messages', owner)}",
        f"curl -sS{key} {_word(agent, 'refresh=true', owner)}",
        f"curl -sS{key} {_json(target)} {_word(f'{agent}/interrupt', owner)}",
    )


def _json(body: dict[str, str]) -> str:
    return f"-H 'Content-Type: application/json' -d {shlex.quote(json.dumps(body))}"


def _word(url: str, *query: str) -> str:
    given = "&".join(part for part in query if part)
    return shlex.quote(f"{url}?{given}" if given else url)
