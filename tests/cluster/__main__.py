"""A node, our images, a program in its network, and nothing left of it.

The program is pytest (`make test-cluster`) or, with the argument `bench`, the bench of pods.
"""

import os
import shutil
import signal
import subprocess
import sys
from types import FrameType

from tests.cluster.node import cache, components, images, leftovers, node, packages, seed
from tests.cluster.node.errors import NodeFault
from tests.cluster.node.layout import layout
from tests.cluster.node.node import Node
from tests.cluster.node.reservation import reserved

_NAME = "FORGE_TEST_CLUSTER"
"""Variable with the node's name, for two runs at once on one machine."""
_TESTS = (
    *("pytest", "tests/cluster", "tests/gateway/launchers/test_contract.py"),
    *("-p", "no:schemathesis"),  # takes a second in each process to import
)
_SIDE_BY_SIDE = (
    *(*_TESTS, "-m", "not alone"),
    *("--numprocesses=3", "--dist=loadfile", "--no-loadscope-reorder"),
)
"""For they mostly wait; those of one file come one after the other. conftest.py has the order."""
_ALONE = (*_TESTS, "-m", "alone")
_NO_TESTS = 5
"""pytest's exit status when none is selected."""
_BENCH = "bench"
_LIMIT_S = 3600
_END_LIMIT_S = 60


def main(arguments: list[str]) -> int:
    """The program's exit status, or 1 when there was no node or something is left of it."""
    signal.signal(signal.SIGTERM, _interrupt)
    name = os.environ.get(_NAME, "test")
    try:
        packages.install()
        with reserved(name):
            return _run(name, arguments)
    except NodeFault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    except KeyboardInterrupt:
        return 130


def _run(name: str, arguments: list[str]) -> int:
    status, wrong = 1, list[str]()
    built = components.build()
    unpacked = seed.seed(built, [image.archive for image in images.build()])
    try:
        made = node.up(name, built, unpacked)
        status = _bench(made) if arguments == [_BENCH] else _tests(made, arguments)
        if status != 0:
            _keep_logs(made)
    finally:
        wrong += _down(name)
        sys.stderr.writelines(f"{sentence}\n" for sentence in wrong)
    return status or (1 if wrong else 0)


def _down(name: str) -> list[str]:
    """What should not have been there, before and after; it is gone as well."""
    place = layout(name)
    forgotten = leftovers.end_strangers(place)
    node.down(name)
    return [*forgotten, *leftovers.of_node(place), *leftovers.of_node(place.second)]


def _bench(made: Node) -> int:
    return _inside(made, ["tests.cluster.bench"])


def _tests(made: Node, arguments: list[str]) -> int:
    """The exit status of the first run that fails. The second one comes in any case; a run in which
    there is none of the tests that were asked for is no failure, two of them are."""
    statuses = [_inside(made, [*run, *arguments]) for run in (_SIDE_BY_SIDE, _ALONE)]
    failed = [status for status in statuses if status not in (0, _NO_TESTS)]
    return failed[0] if failed else min(statuses)


def _inside(made: Node, program: list[str]) -> int:
    """Its exit status; `program`: a module and its arguments. In a session of its own it is told
    once, and by us, when to end early."""
    variables = {
        "FORGE_TEST_KUBECONFIG": str(made.layout.kubeconfig()),
        "FORGE_TEST_NODE": made.layout.name,
        "PATH": f"{made.components.folder}:{os.environ['PATH']}",
    }
    words = [*made.network_command(), sys.executable, "-m", *program]
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
