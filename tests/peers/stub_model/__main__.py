"""The stub model as a program: `python -m tests.peers.stub_model HOST PORT REPLIES`.

REPLIES is a JSON list of what is said, in order: a Say, `{"text": ...}`, or a Call,
`{"tool": ..., "arguments": {...}}`.
"""

import sys
from typing import Any

import msgspec
from aiohttp import web

from tests.peers.stub_model.replies import Call, Reply, Say
from tests.peers.stub_model.server import StubModel


def main(host: str, port: str, replies: str) -> None:
    """Until SIGTERM."""
    model = StubModel()
    model.script(*(_reply(told) for told in msgspec.json.decode(replies)))
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.add_routes(model.routes())
    web.run_app(app, host=host, port=int(port), handler_cancellation=True)


def _reply(told: dict[str, Any]) -> Reply:
    return msgspec.convert(told, Call) if "tool" in told else msgspec.convert(told, Say)


if __name__ == "__main__":
    main(*sys.argv[1:])
