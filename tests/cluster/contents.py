"""Messages for the `command` backend, which runs them as shell scripts."""

GATE = "/home/agent/workspace/go"


def counting(count: int, *, per_s: float) -> str:
    """Says 1 to `count`, a line each, at that pace whatever saying one takes."""
    return f"""exec python3 - <<'END'
import time
began = time.monotonic()
for number in range(1, {count} + 1):
    print(number, flush=True)
    time.sleep(max(0.0, began + number / {per_s} - time.monotonic()))
END"""


def counted(count: int) -> str:
    """What `counting` says."""
    return "".join(f"{number}\n" for number in range(1, count + 1))


def after_gate(script: str) -> str:
    """Says that it has begun, then waits until `containers.open_gate`."""
    return f"echo begun; until [ -e {GATE} ]; do sleep 0.05; done; rm {GATE}; {script}"


FILL_MEMORY = "exec python3 -c 'bytearray(b\"x\") * (8 << 30)'"
"""More than any agent here may have, and all of it written to."""

FILL_MEMORY_SLOWLY = """exec python3 - <<'END'
import os, time
for _ in range(200):
    if os.fork() == 0:
        held = bytearray(b"x") * (20 << 20)
        time.sleep(600)
    time.sleep(0.01)
time.sleep(600)
END"""
"""The same by many processes, each of them smaller than a runtime."""
