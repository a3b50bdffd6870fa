"""Backends by name."""

import pytest

from agent_runtime.backends import registry
from agent_runtime.backends.command import CommandBackend
from agent_runtime.backends.opencode import OpenCodeBackend
from agent_runtime.errors import BackendUnusable


def test_our_backends_are_found_by_name() -> None:
    """Both backends are entry points, under the name they give themselves."""
    assert {"command", "opencode"} <= set(registry.names())
    assert registry.load("command") is CommandBackend
    assert registry.load("opencode") is OpenCodeBackend


def test_every_backend_is_registered_under_its_own_name() -> None:
    """The name in events and the name in settings are the same word."""
    assert all(registry.load(name).name == name for name in registry.names())


def test_an_unknown_name_lists_the_known_ones() -> None:
    """A typing error in FORGE_BACKEND is answered with what there is."""
    with pytest.raises(BackendUnusable, match=r"'opencod'.*command, opencode"):
        registry.load("opencod")
