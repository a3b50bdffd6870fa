"""What the kernel tells about memory, in both versions of control groups and in a container."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from agent_runtime.memory import MemoryGroup, OomWatch

V1 = ("memory.oom_control", "memory.limit_in_bytes")
V1_EVENTS = "oom_kill_disable 0\nunder_oom 0\noom_kill {}\n"
V1_UNLIMITED = str((1 << 63) - 4096)
V2 = ("memory.events", "memory.max")
V2_EVENTS = "low 0\nhigh 0\nmax 12\noom 7\noom_kill {}\noom_group_kill 0\n"


@dataclass(frozen=True)
class Case:
    """A system as its files show it; `shown` is the group's folder below the mount."""

    cgroup: str
    mounts: str
    shown: str
    files: tuple[str, str]
    events: str
    unlimited: str


CASES = {
    "v1 machine": Case(
        "9:name=systemd:/\n4:cpu,memory:/user/agent\n0::/\n",
        "32 31 0:29 / {}/cpuset rw - cgroup cgroup rw,cpuset\n"
        "35 31 0:32 / {} rw,relatime shared:9 - cgroup cgroup rw,memory\n"
        "41 31 0:38 / {}/unified rw - cgroup2 cgroup2 rw\n",
        "user/agent",
        V1,
        V1_EVENTS,
        V1_UNLIMITED,
    ),
    "v1 container": Case(
        "8:memory:/kubepods/pod1/c1\n0::/\n",
        "35 31 0:32 /kubepods/pod1/c1 {} ro - cgroup cgroup rw,memory\n",
        "",
        V1,
        V1_EVENTS,
        V1_UNLIMITED,
    ),
    "v2 machine": Case(
        "0::/user.slice/agent\n",
        "30 23 0:26 / / rw - ext4 /dev/vda rw\n41 31 0:38 / {} rw,nosuid - cgroup2 cgroup2 rw\n",
        "user.slice/agent",
        V2,
        V2_EVENTS,
        "max",
    ),
    "v2 container": Case(
        "0::/\n", "41 31 0:38 / {} ro - cgroup2 cgroup rw,nsdelegate\n", "", V2, V2_EVENTS, "max"
    ),
    "v2 without a namespace": Case(
        "0::/kubepods/pod1/c1\n",
        "41 31 0:38 /kubepods/pod1/c1 {} ro - cgroup2 cgroup rw\n",
        "",
        V2,
        V2_EVENTS,
        "max",
    ),
    "an outside namespace": Case(
        "0::/../../c1\n",
        "41 31 0:38 /../.. {} ro - cgroup2 cgroup rw\n",
        "c1",
        V2,
        V2_EVENTS,
        "max",
    ),
}


@pytest.fixture(params=list(CASES.values()), ids=list(CASES))
def case(request: pytest.FixtureRequest) -> Case:
    found = request.param
    assert isinstance(found, Case)
    return found


@dataclass(frozen=True)
class System:
    """What /proc and /sys would be."""

    case: Case
    folder: Path

    def tell(self, *, kills: int, limit: str) -> MemoryGroup | None:
        process, mount = self.folder / "proc", self.folder / "sys"
        group = mount / self.case.shown
        for made in (process, group):
            made.mkdir(parents=True, exist_ok=True)
        (process / "cgroup").write_text(self.case.cgroup)
        (process / "mountinfo").write_text(self.case.mounts.replace("{}", str(mount)))
        events, maximum = (group / name for name in self.case.files)
        events.write_text(self.case.events.format(kills))
        maximum.write_text(limit + "\n")
        return MemoryGroup.own(process)


def test_kills_and_limit_are_found(case: Case, tmp_path: Path) -> None:
    """Whatever the version, in a container or not."""
    group = System(case, tmp_path).tell(kills=3, limit=str(512 << 20))
    assert group is not None
    assert (group.oom_kills(), group.limit_bytes()) == (3, 512 << 20)


def test_no_limit_is_told_as_none(case: Case, tmp_path: Path) -> None:
    """Each version has its own word for it."""
    group = System(case, tmp_path).tell(kills=0, limit=case.unlimited)
    assert group is not None
    assert (group.oom_kills(), group.limit_bytes()) == (0, None)


def test_only_kills_since_the_start_are_a_reason(case: Case, tmp_path: Path) -> None:
    """Those before were of others."""
    system = System(case, tmp_path)
    watch = OomWatch(system.tell(kills=2, limit=str(512 << 20)))
    assert watch.words() == ""
    system.tell(kills=3, limit=str(512 << 20))
    assert watch.words() == (
        "probably for lack of memory: the limit is 512 MiB, 3 oom kills so far"
    )
    system.tell(kills=3, limit=case.unlimited)
    assert watch.words() == "probably for lack of memory: 3 oom kills so far"


def test_a_system_that_tells_nothing_is_no_trouble(tmp_path: Path) -> None:
    """macOS, or a sandbox without these files."""
    assert MemoryGroup.own(tmp_path) is None
    assert OomWatch(None).words() == ""
    group = MemoryGroup(tmp_path / "events", tmp_path / "limit")
    assert (group.oom_kills(), group.limit_bytes()) == (0, None)
