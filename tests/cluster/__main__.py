"""`make test-cluster`: a node, our images, pytest in its network, and nothing left of it."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from tests.cluster.node import cache, components, images, leftovers, node, packages, seed
from tests.cluster.node.errors import NodeFault
from tests.cluster.node.layout import layout
from tests.cluster.node.node import Node
from tests.cluster.node.reservation import reserved

_NAME = "test"
_TESTS = ("tests/cluster", "tests/gateway/launchers/test_contract.py")
_LIMIT_S = 3600
_END_LIMIT_S = 60


def main(arguments: list[str]) -> int:
    """pytest's exit status, or 1 when there was no node or something is left of it."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        packages.install()
        with reserved(_NAME):
            return _run(arguments)
    except NodeFault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _run(arguments: list[str]) -> int:
    status, wrong = 1, list[str]()
    try:
        with _up() as made:
            status = _pytest(made, arguments)
            wrong += leftovers.of_network(made.layout)
            if status != 0:
                _keep_logs(made)
    finally:
        wrong += leftovers.of_node(layout(_NAME))
        sys.stderr.writelines(f"{sentence}\n" for sentence in wrong)
    return status or (1 if wrong else 0)


@contextmanager
def _up() -> Iterator[Node]:
    built = components.build()
    unpacked = seed.seed(built, [image.archive for image in images.build()])
    try:
        yield node.up(_NAME, built, unpacked)
    finally:
        node.down(_NAME)


def _pytest(made: Node, arguments: list[str]) -> int:
    """Its exit status. In a session of its own it is told once, and by us, when to end early."""
    variables = {
        "FORGE_TEST_KUBECONFIG": str(made.layout.kubeconfig()),
        "FORGE_TEST_NODE": made.layout.name,
        "PATH": f"{made.components.folder}:{os.environ['PATH']}",
    }
    words = [*made.network_command(), sys.executable, "-m", "pytest", *_TESTS, *arguments]
    env = {**os.environ, **variables}
    with subprocess.Popen(words, env=env, start_new_session=True) as process:
        try:
            return process.wait(timeout=_LIMIT_S)
        except BaseException:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(timeout=_END_LIMIT_S)
            except subprocess.TimeoutExpired:
                process.kill()
            raise


def _keep_logs(made: Node) -> None:
    kept = cache.folder() / "logs" / made.layout.name
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(made.layout.log, kept, symlinks=True)
    sys.stderr.write(f"the node's logs: {kept}\n")


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
