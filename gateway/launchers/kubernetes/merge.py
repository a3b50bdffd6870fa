"""Strategic merge, as Kubernetes applies it to pods, without its `$patch` directives.

Maps are merged; lists of named things are merged by that name; any other value, and any
other list, replaces what was there; null removes it.
"""

from typing import Any

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "env": "name",
    "ports": "containerPort",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "resourceClaims": "name",
}
"""What tells the elements of a list apart (`x-kubernetes-patch-merge-key`)."""


def merged(value: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Neither is changed. Elements without their key, or that are no maps, raise ValueError."""
    result = dict(value)
    for name, change in patch.items():
        if change is None:
            result.pop(name, None)
        else:
            result[name] = _changed(name, result.get(name), change)
    return result


def _changed(name: str, value: Any, change: Any) -> Any:
    if isinstance(change, dict):
        return merged(value if isinstance(value, dict) else {}, change)
    if isinstance(change, list) and name in _KEYS:
        return _by_key(name, value if isinstance(value, list) else [], change)
    return change


def _by_key(name: str, value: list[Any], change: list[Any]) -> list[Any]:
    key = _KEYS[name]
    elements = {element[key]: element for element in value}
    for element in change:
        told = element.get(key) if isinstance(element, dict) else None
        if not isinstance(told, str | int):
            raise ValueError(f"{name}: every element needs its {key}")  # noqa: TRY004 - of a file
        elements[told] = merged(elements.get(told, {}), element)
    return list(elements.values())
