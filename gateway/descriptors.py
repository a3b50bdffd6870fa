"""File descriptors: each post in flight uses one, each connection, each agent's stream."""

import contextlib
import resource

ENOUGH = 65536
"""Beyond this, programs among the agents that look at every possible descriptor get slow."""

_MACOS_MOST = 10240
"""macOS calls its hard limit infinite, and takes no more than this (OPEN_MAX)."""


def raise_limit() -> int:
    """The soft limit becomes the hard one, or ENOUGH where that is less. Returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    for limit in (wanted, min(wanted, _MACOS_MOST)):
        if soft == resource.RLIM_INFINITY or soft >= limit:
            break
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
