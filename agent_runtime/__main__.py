"""`python -m agent_runtime` runs an agent; `python -m agent_runtime backends` lists backends."""

import logging
import os
import sys

from agent_runtime import logs
from agent_runtime.errors import BackendUnusable, FolderBusy, RuntimeFault

EXIT_BUSY = 75
"""Another runtime lives in the folder: nothing is wrong (sysexits' EX_TEMPFAIL)."""


def main(arguments: list[str]) -> int:
    """The exit status."""
    if arguments == ["backends"]:
        return _list_backends()
    if arguments:
        sys.stderr.write("usage: python -m agent_runtime [backends]\n")
        return 2
    return _run()


def _list_backends() -> int:
    """One JSON line a backend: name, usable, detail."""
    import msgspec

    from agent_runtime.backends.registry import load, names
    from agent_runtime.settings import Settings

    for name in names():
        try:
            usability = load(name).probe(Settings.cli_env(os.environ) | _options(name))
            line = {"name": name, "usable": usability.usable, "detail": usability.detail}
        except BackendUnusable as error:
            line = {"name": name, "usable": False, "detail": str(error)}
        sys.stdout.write(msgspec.json.encode(line).decode() + "\n")
    return 0


def _options(name: str) -> dict[str, str]:
    prefix = f"FORGE_{name.upper()}"
    return {key: value for key, value in os.environ.items() if key.startswith(prefix)}


def _run() -> int:
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"  # read at import; CLIs are forked to exec only
    import uvloop

    from agent_runtime.server.folders import private_files
    from agent_runtime.server.runtime import serve
    from agent_runtime.settings import Settings

    private_files()
    logs.configure()
    try:
        uvloop.run(serve(Settings.from_env(os.environ), os.environ))
    except FolderBusy:
        return EXIT_BUSY
    except RuntimeFault as fault:
        logging.getLogger(__name__).error("cannot_run", extra={"reason": str(fault)})  # noqa: TRY400 - a sentence, not a traceback
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
