"""The namespaces of a node: processes, mounts, network.

Process 1 is `pause forge-node NAME`. When it ends, so does every process inside, and with the
last of them go the mounts and the network; nothing has to be undone one by one, and what a killed
run left behind is found by that command line.
"""

import os
import signal
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.node.commands import run, wait
from tests.cluster.node.errors import Failed
from tests.cluster.node.layout import Layout

_MARK = "forge-node"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSCTLS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""What kubelet sets for the whole machine: inside, files with the wanted values are in their
place, so it finds nothing to change."""

_ENTER = """
mount -t tmpfs -o mode=755 tmpfs /run
mkdir /run/lock
mount --bind "$FOLDER/lib" /var/lib
mount --bind "$FOLDER/log" /var/log
for file in $(cd "$FOLDER/sysctl" && find . -type f); do
    mount --bind "$FOLDER/sysctl/$file" "/proc/sys/$file"
done
ip link set lo up
ip link add node0 type bridge
ip addr add $ADDRESS/32 dev node0
ip link set node0 up
ip route add default dev node0
echo 1 >/proc/sys/net/ipv4/ip_forward
touch "$FOLDER/entered"
exec "$PAUSE" "$0" "$1"
"""
_DETACH = 'setsid "$@" >"$0" 2>&1 </dev/null &'
# Without the default route no Service address can be reached; a bridge, since a dummy device
# answers nobody.


@dataclass(frozen=True)
class Sandbox:
    """The namespaces of one node; `pid` is their process 1 as seen from outside."""

    pid: int

    def command(self, *words: str | Path) -> list[str]:
        """What runs `words` inside, with nothing of our environment."""
        enter = ["nsenter", f"--target={self.pid}", "--mount", "--net", "--pid", "--"]
        return [*enter, "env", "-i", f"PATH={_PATH}", *(str(word) for word in words)]

    def run(self, *words: str | Path, limit_s: float = 60) -> str:
        """Run it inside, to its end.

        Raises:
            Failed: as `commands.run`.
        """
        return run(self.command(*words), limit_s=limit_s)


def open_sandbox(layout: Layout, pause: Path) -> Sandbox:
    """Make the namespaces of a node whose folder is there.

    Raises:
        Failed: they could not be made; the log says why.
    """
    _write_sysctls(layout.folder / "sysctl")
    options = ("--net", "--pid", "--mount-proc", "--propagation=private", "--fork", "--kill-child")
    places = {"FOLDER": str(layout.folder), "PAUSE": str(pause), "ADDRESS": layout.address}
    log = layout.log / "sandbox.log"
    enter = ("env", "-i", f"PATH={_PATH}", *(f"{name}={place}" for name, place in places.items()))
    command = ("unshare", *options, "--", *enter, "sh", "-ec", _ENTER, _MARK, layout.name)
    run(["sh", "-c", _DETACH, log, *command])
    entered = layout.folder / "entered"
    wait(entered.exists, limit_s=20, otherwise=f"no namespaces (see {log})")
    sandbox = find(layout)
    layout.network.symlink_to(f"/proc/{sandbox.pid}/ns/net")
    return sandbox


def find(layout: Layout) -> Sandbox:
    """The sandbox of a node that is up.

    Raises:
        Failed: it is not.
    """
    for pid in processes(layout.name):
        if _is_first(pid):
            return Sandbox(pid)
    raise Failed(f"the node {layout.name} is not up")


def close(name: str) -> None:
    """End every process of that node's sandbox, if there are any.

    Raises:
        Failed: they did not end within 20 s.
    """
    for pid in processes(name):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it has ended with the one before it
    wait(
        lambda: not processes(name),
        limit_s=20,
        otherwise=f"the processes of node {name} did not end",
    )


def processes(name: str) -> list[int]:
    """Process 1 and, if still there, the `unshare` that waits for it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            words = (entry / "cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        except OSError:
            continue  # it has just ended
        if words[-2:] == [_MARK.encode(), name.encode()]:
            found.append(int(entry.name))
    return sorted(found)


def _is_first(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:")).split()
    return len(numbers) > 2 and numbers[-1] == "1"


def _write_sysctls(folder: Path) -> None:
    for name, value in _SYSCTLS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
