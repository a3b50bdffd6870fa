"""The `forge` group: which commands there are, and where each is found."""

import sys
from importlib import import_module
from io import TextIOWrapper
from typing import ClassVar

import click
from click.shell_completion import CompletionItem

_EPILOG = """\b
A first look:
  forge demo                        gateway, agent and receiver in one
A session in three terminals:
  forge serve
  forge listen
  forge agents create && forge send AGENT "hello"
A conversation:
  forge chat AGENT
"""


class LazyGroup(click.Group):
    """Imports a command's file when that command is asked for.

    httpx, rich, uvicorn and the gateway together take most of a second to
    import; `--help` and the shell's completion need none of them.
    """

    summaries: ClassVar[dict[str, str]] = {
        "serve": "Run a gateway on this machine.",
        "demo": "See it work: gateway, receiver and one agent.",
        "agents": "Create, list, show and delete agents.",
        "chat": "Talk with an agent.",
        "send": "Send an agent a message and watch its turn.",
        "interrupt": "End an agent's turn.",
        "events": "Show an agent's events, and follow them.",
        "turns": "Show what became of an agent's turns.",
        "diff": "Show what an agent has changed in its workspace.",
        "redeliver": "Deliver a turn's webhooks again.",
        "listen": "Receive, verify and show webhooks.",
        "keys": "Make API keys; rotate the gateway's own.",
        "doctor": "Check what this machine has and lacks.",
        "completion": "Print the completion script of a shell.",
    }

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.summaries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        if cmd_name not in self.summaries:
            return None
        command = getattr(import_module(f"gateway.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        names = [
            CompletionItem(name, help=summary)
            for name, summary in self.summaries.items()
            if name.startswith(incomplete)
        ]
        return names or click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        with formatter.section("Commands"):
            formatter.write_dl(list(self.summaries.items()))


@click.group(cls=LazyGroup, epilog=_EPILOG, context_settings={"max_content_width": 100})
@click.version_option(package_name="forge-gateway", prog_name="forge")
def forge() -> None:
    """Coding agents behind an HTTP API: a message in, signed webhooks out.

    FORGE_URL names the gateway (http://127.0.0.1:8080 when unset) and
    FORGE_API_KEY is the key for it, where it wants one.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a Latin-1 terminal shows ?, it does not crash us
