"""A whole node: up, down, and what tests do to it in between."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.node import (
    archive,
    cgroups,
    configuration,
    credentials,
    sandbox,
    services,
    volumes,
)
from tests.cluster.node.commands import run, wait
from tests.cluster.node.components import Components
from tests.cluster.node.errors import Failed
from tests.cluster.node.layout import Layout, layout
from tests.cluster.node.programs import Program
from tests.cluster.node.progress import step
from tests.cluster.node.sandbox import Sandbox

_VOLUMES = 20


@dataclass(frozen=True)
class Node:
    """One that is up."""

    layout: Layout
    components: Components
    sandbox: Sandbox

    def kubectl(self, *words: str | Path, text: str = "", limit_s: float = 60) -> str:
        """Run kubectl as the administrator; `text` is its standard input.

        Raises:
            Failed: with what kubectl said.
        """
        command = (*self.network_command(), self.components.path("kubectl"), *words)
        return run(
            command,
            env={"KUBECONFIG": str(self.layout.kubeconfig())},
            text=text,
            limit_s=limit_s,
        )

    def network_command(self) -> tuple[str, ...]:
        """What stands before a command that is to run in the node's network."""
        return ("nsenter", f"--net={self.layout.network}", "--")

    def load(self, *images: Path) -> None:
        """Make images known to it: archives of `docker save` or OCI.

        Raises:
            Failed: containerd refuses one.
        """
        for image in images:
            self.sandbox.run("ctr", "-n", "k8s.io", "images", "import", image, limit_s=300)

    def start_containerd(self) -> None:
        """Start it and wait until it takes images."""
        services.containerd(self.layout).start(self.layout, self.sandbox)
        wait(self._takes_images, limit_s=30, otherwise=f"no containerd (log: {self.layout.log})")

    def end_containerd(self) -> None:
        """Have it end in order, its databases closed."""
        containerd = services.containerd(self.layout)
        containerd.signal("TERM", self.layout, self.sandbox)
        containerd.wait_until_gone(self.layout, self.sandbox)

    def plant(self, images: Path) -> None:
        """Begin with that folder of containerd's, before it runs.

        By hard links: what is unpacked is only read, by containers through an overlay. The
        databases, which change, are copied for real.
        """
        target = self.layout.lib / "containerd"
        run(["cp", "--archive", "--link", images, target])
        for database in target.rglob("*.db"):
            copied = database.with_suffix(".copy")
            shutil.copy2(database, copied)
            copied.replace(database)

    def load_pause(self) -> None:
        """Make the image known that every pod begins with."""
        image = self.layout.folder / "pause.tar"
        archive.write(image, image=configuration.PAUSE_IMAGE, program=self.components.path("pause"))
        self.load(image)

    def add_volumes(self, count: int) -> None:
        """Make so many more PersistentVolumes."""
        made = volumes.supply(self.layout, count)
        self.kubectl("apply", "--filename=-", text=volumes.as_list(made))

    def kill_apiserver(self) -> None:
        """Kill it with -9 and wait for its end; connections to it are refused from then on.

        Kubelet and the others stand still until it is back. Their pauses between attempts would
        grow to a minute, for which no pod would be started, long after the API server is.
        """
        for program in self._clients():
            program.signal("STOP", self.layout, self.sandbox)
        apiserver = services.apiserver(self.layout, self.components)
        apiserver.signal("KILL", self.layout, self.sandbox)
        apiserver.wait_until_gone(self.layout, self.sandbox)

    def start_apiserver(self) -> None:
        """Start it again and wait until it is ready."""
        self._start_apiserver()
        for program in self._clients():
            program.signal("CONT", self.layout, self.sandbox)

    def stop_apiserver(self) -> None:
        """SIGSTOP: connections stay, answers do not come."""
        services.apiserver(self.layout, self.components).signal("STOP", self.layout, self.sandbox)

    def resume_apiserver(self) -> None:
        """SIGCONT."""
        services.apiserver(self.layout, self.components).signal("CONT", self.layout, self.sandbox)

    def start(self) -> None:
        """Start all programs, in order; return when pods can be scheduled."""
        with step("API server"):
            services.etcd().start(self.layout, self.sandbox)
            self._start_apiserver()
        with step("controllers, scheduler, kubelet, proxy"):
            self.start_containerd()
            for program in services.others(self.layout, self.components):
                program.start(self.layout, self.sandbox)
            objects = [volumes.storage_class(), *volumes.supply(self.layout, _VOLUMES)]
            self.kubectl("apply", "--filename=-", text=volumes.as_list(objects))
            wait(self._is_ready, limit_s=60, otherwise=f"not Ready (logs: {self.layout.log})")

    def _clients(self) -> list[Program]:
        """What asks the API server all the time, and is not asked itself."""
        others = services.others(self.layout, self.components)
        return [program for program in others if program.name != "coredns"]

    def _start_apiserver(self) -> None:
        services.apiserver(self.layout, self.components).start(self.layout, self.sandbox)
        wait(
            lambda: self._says("get", "--raw", "/readyz") == "ok",
            limit_s=60,
            otherwise=f"the API server does not answer (log: {self.layout.log}/kube-apiserver.log)",
        )

    def _takes_images(self) -> bool:
        try:
            self.sandbox.run("ctr", "-n", "k8s.io", "images", "list", "--quiet", limit_s=10)
        except Failed:
            return False
        return True

    def _is_ready(self) -> bool:
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        ready = self._says("get", "node", self.layout.name, f"--output=jsonpath={path}")
        account = self._says("get", "serviceaccount", "default", "--output=name")
        return ready == "True" and account != ""

    def _says(self, *words: str) -> str:
        try:
            return self.kubectl(*words, limit_s=10).strip()
        except Failed:
            return ""


def up(name: str, components: Components, images: Path) -> Node:
    """Bring a node up; what a killed run left of one of this name is removed first. `images` is
    what it begins with, a folder of containerd's (`seed.seed`).

    Raises:
        Failed: something did not start; what did is there until `down`, with its logs.
    """
    down(name)
    with step("namespaces"):
        bare = opened(layout(name), components)
        credentials.write(bare.layout)
        bare.plant(images)
    bare.start()
    return bare


def opened(place: Layout, components: Components) -> Node:
    """A node with nothing in it but its namespaces, cgroups and configuration."""
    for folder in (place.lib, place.log, place.keys, place.configuration):
        folder.mkdir(parents=True)
    configuration.write(place)
    cgroups.make(place.cgroup)
    return Node(place, components, sandbox.open_sandbox(place, components.path("pause")))


def attach(name: str, components: Components) -> Node:
    """A node that another process brought up.

    Raises:
        Failed: it is not up.
    """
    place = layout(name)
    return Node(place, components, sandbox.find(place))


def down(name: str) -> None:
    """End it and the second one of its cluster, and remove all of both. Nothing happens when
    there is none.

    Raises:
        Failed: something of it does not end.
    """
    place = layout(name)
    remove(place.second)
    remove(place)


def remove(place: Layout) -> None:
    """That one alone. Raises as `down`."""
    sandbox.close(place.name)
    cgroups.remove(place.cgroup)
    shutil.rmtree(place.folder, ignore_errors=True)
