"""The gateway's environment."""

import os
from ipaddress import ip_network
from pathlib import Path

import msgspec
import pytest

from gateway.errors import SettingsError
from gateway.settings import Settings, ignored
from gateway.variables import Duration


def test_defaults_need_nothing() -> None:
    """An empty environment, and one of empty values, is loopback on 8080 without keys."""
    settings = Settings.from_env({})
    assert (settings.host, settings.port, settings.auth) == ("127.0.0.1", 8080, "on")
    assert settings.keys_file is None
    assert settings.origins == ()
    assert settings.shutdown_timeout == Duration(10)
    assert Settings.from_env({"PORT": "", "CORS_ORIGINS": "", "UNKNOWN": "x"}) == settings


def test_every_variable_is_read() -> None:
    """Each under its own name, in its own form."""
    settings = Settings.from_env(
        {
            "FORGE_HOST": "0.0.0.0",
            "PORT": "0",
            "DEBUG": "true",
            "FORGE_AUTH": "off",
            "FORGE_KEYS_FILE": "~/keys",
            "FORGE_STATE_DIR": "/var/lib/forge",
            "FORGE_RUNTIME_DIR": "/run/forge",
            "FORGE_BACKEND": "opencode",
            "CORS_ORIGINS": "https://a.example, http://localhost:3000,,https://a.example",
            "SHUTDOWN_TIMEOUT": "1m30s",
            "FORGE_CREATE_TIMEOUT": "500ms",
            "FORGE_MAX_BODY_BYTES": "2048",
            "WEBHOOK_TIMEOUT": "1.5h",
            "WEBHOOK_MAX_RETRIES": "3",
            "WEBHOOK_RETRY_FOR": "1h",
            "WEBHOOK_CIRCUIT_THRESHOLD": "7",
            "WEBHOOK_CIRCUIT_TIMEOUT": "5s",
            "FORGE_WEBHOOK_ALLOW_NETWORKS": "10.0.0.0/8, fd00::/8,",
            "FORGE_WEBHOOK_PROXY": "http://user:hush@proxy.example:3128",
            "FORGE_LOG_FORMAT": "json",
        }
    )
    assert (settings.host, settings.port, settings.debug) == ("0.0.0.0", 0, True)
    assert settings.keys_file == Path("~/keys").expanduser()
    assert settings.origins == ("https://a.example", "http://localhost:3000")
    assert (settings.shutdown_timeout, settings.create_timeout) == (Duration(90), Duration(0.5))
    assert (settings.webhook_timeout, settings.webhook_max_retries) == (Duration(5400), 3)
    assert settings.max_body_bytes == 2048
    assert settings.webhook_retry_for == Duration(3600)
    assert (settings.webhook_circuit_threshold, settings.webhook_circuit_timeout) == (
        7,
        Duration(5),
    )
    assert settings.webhook_allow_networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert settings.webhook_proxy == "http://user:hush@proxy.example:3128"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("PORT", "http", "Expected `int`"),
        ("PORT", "70000", "<= 65535"),
        ("PORT", "-1", ">= 0"),
        ("DEBUG", "maybe", "Expected `bool`"),
        ("SHUTDOWN_TIMEOUT", "10", "a duration such as 500ms"),
        ("SHUTDOWN_TIMEOUT", "-1s", "a duration such as 500ms"),
        ("SHUTDOWN_TIMEOUT", "1s2", "a duration such as 500ms"),
        ("FORGE_AUTH", "no", "one of off, on"),
        ("FORGE_LAUNCHER", "docker", "one of kubernetes, local"),
        ("FORGE_MAX_BODY_BYTES", "1", ">= 1024"),
        ("WEBHOOK_MAX_RETRIES", "0", ">= 1"),
        ("CORS_ORIGINS", "*", "'*' is no origin"),
        ("CORS_ORIGINS", "https://a.example/", "no origin"),
        ("CORS_ORIGINS", "a.example", "no origin"),
        ("WEBHOOK_RETRY_FOR", "1 day", "a duration such as 500ms"),
        ("WEBHOOK_CIRCUIT_THRESHOLD", "0", ">= 1"),
        ("FORGE_WEBHOOK_ALLOW_NETWORKS", "10.0.0.1/8", "networks such as 10.0.0.0/8"),
        ("FORGE_WEBHOOK_ALLOW_NETWORKS", "intranet", "networks such as 10.0.0.0/8"),
        ("FORGE_WEBHOOK_PROXY", "proxy:3128", "http://proxy.example.com:3128"),
        ("FORGE_WEBHOOK_PROXY", "socks5://hush@proxy", "http://proxy.example.com:3128"),
        ("FORGE_LOG_FORMAT", "xml", "one of auto, json, text"),
        ("WEBHOOK_TIMEOUT", "0s", "at least 1ms"),
        ("FORGE_CREATE_TIMEOUT", "0s", "at least 1ms"),
        ("FORGE_CREATE_TIMEOUT", "500us", "at least 1ms"),
        ("SHUTDOWN_TIMEOUT", "8761h", "at most 8760h"),
        ("WEBHOOK_TIMEOUT", "9" * 400 + "h", "at most 8760h"),
        ("FORGE_BACKEND", "command\n", "A-Za-z0-9._-"),
        ("VERCEL_BYPASS_TOKEN", "tok\r\nx-evil: 1", "printable ASCII"),
        ("VERCEL_BYPASS_TOKEN", "tok\n", "printable ASCII"),
        ("FORGE_BYPASS_HOSTS", "a.example\n,b.example", "is no host"),
        ("FORGE_BYPASS_HOSTS", "a.example,\x07", "is no host"),
        ("FORGE_BYPASS_HOSTS", "https://a.example", "without a scheme, port or path"),
        ("FORGE_BYPASS_HOSTS", "a.example:443", "is no host"),
    ],
)
def test_what_cannot_be_used_is_named(name: str, value: str, said: str) -> None:
    """The variable comes first, then what would be right."""
    with pytest.raises(SettingsError) as caught:
        Settings.from_env({name: value})
    assert str(caught.value).startswith(f"{name}: ")
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert "evil" not in str(caught.value)
    assert "hush" not in str(caught.value)


def test_hosts_are_names_or_addresses() -> None:
    """Commas and spaces are taken as they are written."""
    settings = Settings.from_env({"FORGE_BYPASS_HOSTS": "a.example, müller.example,,::1,"})
    assert settings.bypass_hosts == "a.example,müller.example,::1"


def test_sockets_are_found_from_every_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway of a service and one of a terminal share their agents without a setting."""
    folders = set()
    for name in ("XDG_RUNTIME_DIR", "TMPDIR", "HOME"):
        monkeypatch.setenv(name, f"/elsewhere/{name}")
        folders.add(Settings.from_env({}).runtime_dir)
    assert folders == {Path(f"/tmp/forge-{os.geteuid()}")}


def test_every_variable_is_described() -> None:
    """The documentation is made from these descriptions."""
    info = msgspec.inspect.type_info(Settings)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        assert isinstance(field.type, msgspec.inspect.Metadata), field.name
        assert (field.type.extra_json_schema or {}).get("description"), field.name


def test_secrets_are_in_no_repr() -> None:
    """Settings can be logged."""
    secrets = {"VERCEL_BYPASS_TOKEN": "hush", "FORGE_WEBHOOK_PROXY": "http://u:hush@p.example"}
    assert "hush" not in repr(Settings.from_env(secrets))


def test_ignored_variables_are_told() -> None:
    """Variables of Forge that mean nothing here are accepted, and named."""
    env = {"DATABASE_URL": "postgres://hush", "READ_TIMEOUT": ""}
    assert ignored(env) == ["DATABASE_URL"]
    Settings.from_env(env)


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("1h1m1s", 3661), ("1.5h", 5400), ("100us", 0.0001)]
)
def test_durations_are_gos(text: str, seconds: float) -> None:
    """Go's forms mean the same here."""
    assert Duration.parse(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("env", "launcher"),
    [
        ({}, "local"),
        ({"KUBERNETES_SERVICE_HOST": "10.96.0.1"}, "kubernetes"),
        ({"KUBE_CONFIG_PATH": "~/.kube/config"}, "kubernetes"),
        ({"KUBE_CONFIG_PATH": "~/.kube/config", "FORGE_LAUNCHER": "local"}, "local"),
        ({"FORGE_LAUNCHER": "kubernetes"}, "kubernetes"),
    ],
)
def test_launcher_is_told_from_the_surroundings(env: dict[str, str], launcher: str) -> None:
    """In a cluster agents are pods, on one machine processes, unless it is said otherwise."""
    assert Settings.from_env(env).launcher == launcher


@pytest.mark.parametrize(
    ("name", "value", "needed"),
    [
        ("AGENT_NAMESPACE", "My_Agents", "a-z, 0-9 and -"),
        ("NODE_HOST", "http://node", "a host is needed"),
        ("AGENT_IMAGE_NAME", "forge agent", "image's name"),
        ("IMAGE_PULL_SECRET", "-x", "DNS labels"),
        ("FORGE_AGENT_MEMORY", "2 gigabytes", "512Mi"),
        ("FORGE_AGENT_CPU", "0", "500m"),
        ("FORGE_AGENT_VOLUME", "-1Gi", "10Gi"),
        ("FORGE_NUDGE_ADDRESS", "forge-gateway", "host:port"),
        ("FORGE_NUDGE_ADDRESS", "forge-gateway:70000", "host:port"),
        ("FORGE_AGENT_IMAGE_PULL_POLICY", "Sometimes", "IfNotPresent"),
        ("FORGE_START_DEADLINE", "0s", "1ms"),
    ],
)
def test_what_a_cluster_would_refuse_is_refused_at_start(
    name: str, value: str, needed: str
) -> None:
    """With the variable's name and what would be right."""
    with pytest.raises(SettingsError, match=f"^{name}: ") as refused:
        Settings.from_env({name: value})
    assert needed in str(refused.value)


def test_image_and_volume_settings_are_taken_as_they_are() -> None:
    """Registries with ports, nested names, digests, amounts with and without a unit."""
    settings = Settings.from_env(
        {
            "CONTAINER_REGISTRY": "registry.example:5000",
            "CONTAINER_NAMESPACE": "acme/agents",
            "AGENT_IMAGE_TAG": f"sha256:{'0' * 64}",
            "FORGE_AGENT_VOLUME": "10Gi",
            "FORGE_AGENT_CPU": "1.5",
            "FORGE_NUDGE_ADDRESS": "[fd00::1]:9090",
        }
    )
    assert settings.registry == "registry.example:5000"
    assert (settings.volume, settings.cpu) == ("10Gi", "1.5")
    assert settings.nudge_address == "[fd00::1]:9090"
