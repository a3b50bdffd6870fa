"""`python -m tests.cluster.node up|down|load|images|volumes|exec`: a node to work with by hand."""

import argparse
import os
import sys
from pathlib import Path

from tests.cluster.node import components, images, node, packages, seed
from tests.cluster.node.errors import NodeFault


def main(arguments: list[str]) -> int:
    """The exit status."""
    asked = _parser().parse_args(arguments)
    try:
        packages.install()
        _do(asked)
    except NodeFault as fault:
        sys.stderr.write(f"{fault}\n")
        return 1
    return 0


def _do(asked: argparse.Namespace) -> None:
    match asked.action:
        case "up":
            _up(asked.name)
        case "down":
            node.down(asked.name)
        case "load":
            node.attach(asked.name, components.build()).load(asked.archive.resolve())
        case "images":
            made = images.build()
            node.attach(asked.name, components.build()).load(*(image.archive for image in made))
        case "volumes":
            node.attach(asked.name, components.build()).add_volumes(asked.count)
        case "exec":
            _exec(asked.name, asked.command)


def _up(name: str) -> None:
    built = components.build()
    made = node.up(name, built, seed.seed(built, ()))
    prefix = " ".join(made.network_command())
    sys.stdout.write(
        f"export KUBECONFIG={made.layout.kubeconfig()}\n"
        f"{prefix} {made.components.path('kubectl')} get nodes\n"
    )


def _exec(name: str, command: list[str]) -> None:
    """Become the command, in the node's network."""
    made = node.attach(name, components.build())
    kubeconfig = str(made.layout.kubeconfig())
    programs = f"{made.components.folder}:{os.environ['PATH']}"
    env = {**os.environ, "KUBECONFIG": kubeconfig, "PATH": programs}
    words = [*made.network_command(), *command]
    os.execvpe(words[0], words, env)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.node")
    parser.add_argument("--name", default="dev", help="which node (default: dev)")
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("up", help="bring it up, anew if it was")
    actions.add_parser("down", help="end it and remove all of it")
    load = actions.add_parser("load", help="make an archive's image known to it")
    load.add_argument("archive", type=Path)
    actions.add_parser("images", help="build the project's images and make them known to it")
    more = actions.add_parser("volumes", help="make more PersistentVolumes")
    more.add_argument("count", type=int)
    run = actions.add_parser("exec", help="run a command in its network, with KUBECONFIG set")
    run.add_argument("command", nargs=argparse.REMAINDER)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
