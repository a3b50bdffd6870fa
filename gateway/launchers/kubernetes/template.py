"""The operator's patch of agents' pods (FORGE_AGENT_TEMPLATE): read and checked at start.

For node selectors, tolerations, a runtime class, sidecars and whatever else a cluster
wants of its pods. What agents rest on cannot be changed by it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from gateway.errors import SettingsError
from gateway.launchers.kubernetes import names
from gateway.launchers.kubernetes.environment import OWN, STATE, TMP, WORKSPACE
from gateway.launchers.kubernetes.merge import merged
from gateway.launchers.kubernetes.note import room_taken

VARIABLE = "FORGE_AGENT_TEMPLATE"

_MAX_BYTES = 256 * 1024
MAX_ANNOTATIONS_BYTES = 8 * 1024
"""Of the patch: they share their room on a pod with its notes."""
_OUR_VOLUMES = {"agent", "workspace", "state", "tmp"}
_OUR_MOUNTS = {WORKSPACE, STATE, TMP}
_OUR_LABELS = {*names.COMMON, names.USER_ID, names.AGENT_ID}
_FIXED_SPEC = {
    "activeDeadlineSeconds": "agents live until they are deleted",
    "automountServiceAccountToken": "agents get no token of the cluster",
    "enableServiceLinks": "agents get no variables of other Services",
    "hostNetwork": "agents have addresses of their own",
    "restartPolicy": "a runtime that dies is started again",
}
_FIXED_CONTAINER = {
    "args": "it runs the runtime",
    "command": "it runs the runtime",
    "envFrom": "give variables by `env` with `valueFrom`",
    "ports": "gateways dial it there",
}


@dataclass(frozen=True, slots=True)
class PodTemplate:
    """A patch that may be applied; an empty one changes nothing."""

    patch: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> "PodTemplate":
        """None: an empty one. Blocking.

        Raises:
            SettingsError: it cannot be read, is no patch of a pod, or touches what agents rest
                on; names the file and the field.
        """
        if path is None:
            return cls()
        try:
            patch = yaml.safe_load(_content(path))
            problem = next(_problems(patch), "")
            applied = {} if problem else merged({}, patch)
        except OSError as error:
            raise SettingsError(f"{VARIABLE}: {path} cannot be read: {error.strerror}") from error
        except yaml.YAMLError as error:
            raise SettingsError(f"{VARIABLE}: {path} is no YAML: {error}") from error
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"{VARIABLE}: {path}: {error}") from error
        if problem:
            raise SettingsError(f"{VARIABLE}: {path}: {problem}")
        return cls({name: patch[name] for name in ("metadata", "spec") if name in applied})

    def applied(self, pod: dict[str, Any]) -> dict[str, Any]:
        """That pod, patched."""
        return merged(pod, self.patch) if self.patch else pod


def _content(path: Path) -> str:
    content = path.read_bytes()
    if len(content) > _MAX_BYTES:
        raise ValueError(f"it is over {_MAX_BYTES // 1024} KiB")
    return content.decode()


def _problems(patch: object) -> Iterator[str]:
    if not _is_map(patch):
        yield "it must be a map with `metadata` or `spec` of a pod"
        return
    if unknown := patch.keys() - {"apiVersion", "kind", "metadata", "spec"}:
        yield f"{min(unknown)}: of a pod only `metadata` and `spec` can be patched"
    if patch.get("kind", "Pod") != "Pod":
        yield "kind: it must be the patch of a Pod"
    yield from _directives(patch, "")
    yield from _of_metadata(patch.get("metadata", {}))
    yield from _of_spec(patch.get("spec", {}))


def _directives(value: object, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            if not isinstance(name, str):
                yield f"{path}{name!r}: names of fields are texts"
            elif name.startswith("$"):
                yield f"{path}{name}: directives are not taken; null removes a field"
            else:
                yield from _directives(inner, f"{path}{name}.")
    elif isinstance(value, list):
        for inner in value:
            yield from _directives(inner, path)


def _of_metadata(metadata: object) -> Iterator[str]:
    if not _is_map(metadata):
        yield "metadata: it must be a map"
        return
    if unknown := metadata.keys() - {"labels", "annotations"}:
        yield f"metadata.{min(unknown)}: only labels and annotations can be patched"
    for part in ("labels", "annotations"):
        given = metadata.get(part, {})
        if not _is_map(given) or not all(isinstance(text, str) for text in given.values()):
            yield f"metadata.{part}: a map of texts is needed (quote numbers and true)"
            return
        for name in given:
            if name in _OUR_LABELS or name.startswith(names.PREFIX):
                yield f"metadata.{part}.{name}: it is the gateway's own"
    if room_taken(metadata.get("annotations", {})) > MAX_ANNOTATIONS_BYTES:
        yield f"metadata.annotations: at most {MAX_ANNOTATIONS_BYTES // 1024} KiB are taken"


def _of_spec(spec: object) -> Iterator[str]:
    if not _is_map(spec):
        yield "spec: it must be a map"
        return
    for name, why in _FIXED_SPEC.items():
        if name in spec:
            yield f"spec.{name}: it cannot be patched: {why}"
    for name in ("containers", "volumes"):
        if not isinstance(spec.get(name, []), list):
            yield f"spec.{name}: a list is needed"
            return
    for volume in filter(_is_map, spec.get("volumes", [])):
        if volume.get("name") in _OUR_VOLUMES:
            yield f"spec.volumes: {volume['name']} is the gateway's own; sizes are settings"
    for container in filter(_is_map, spec.get("containers", [])):
        if container.get("name") == names.CONTAINER:
            yield from _of_container(container)


def _of_container(container: dict[str, Any]) -> Iterator[str]:
    where = f"spec.containers[{names.CONTAINER}]"
    for name, why in _FIXED_CONTAINER.items():
        if name in container:
            yield f"{where}.{name}: it cannot be patched: {why}"
    for name in ("env", "volumeMounts"):
        if not isinstance(container.get(name, []), list):
            yield f"{where}.{name}: a list is needed"
            return
    for entry in filter(_is_map, container.get("env", [])):
        if entry.get("name") in OWN:
            yield f"{where}.env: {entry['name']} is the gateway's own"
    for mount in filter(_is_map, container.get("volumeMounts", [])):
        if str(mount.get("mountPath", "")).rstrip("/") in _OUR_MOUNTS:
            yield f"{where}.volumeMounts: {mount['mountPath']} is the gateway's own"


def _is_map(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)
