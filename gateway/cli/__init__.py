"""The `forge` command.

In: what a person types and sees. Each command or group is one file (`chat`, a room); beside
them `api` (calls to a gateway, by `transport`), `follower` (events as they come), `receiver` (a
webhook receiver of our own), `transcript`, `ledger`, `eventlines` and
`jsonlines` (four ways to show what arrives), `localfile` (what goes along with a message), and
`printable` (which nothing from outside may pass by on its way to a terminal).
Out: everything that a gateway does. `serve` and `demo` start one by
`gateway.app`; all others know a gateway by its HTTP API only, and the runtime
by its command only.

Imports: gateway.app, gateway.rotation, gateway.settings, gateway.errors and
gateway.http.apikeys may be used here; launchers, relay, delivery and agent_runtime may not. A
command's file is imported when the command is called (`forge`), so that
`forge --help` loads nothing but click.
"""

from gateway.cli.forge import forge as main

__all__ = ["main"]
