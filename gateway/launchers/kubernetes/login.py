"""Which cluster it is, and who we are there: a kubeconfig file, or the pod's service account."""

from pathlib import Path

import yaml
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import incluster_config, kube_config
from kubernetes.aio.config.config_exception import ConfigException

from gateway.errors import StartFailed


async def configure(configuration: Configuration, path: Path | None) -> None:
    """Read it, which may run the command in a kubeconfig that makes tokens. Calls no cluster.

    Of the service account (None) the library reads the token again when it gets old.

    Raises:
        StartFailed: it cannot be used; says what to set.
    """
    if path is None:
        _from_this_pod(configuration)
        return
    try:
        path.open("rb").close()  # the library takes a file that is not there for an empty one
        await kube_config.load_kube_config(  # type: ignore[no-untyped-call]  # the library's
            config_file=str(path), client_configuration=configuration, persist_config=False
        )
    except OSError as error:
        raise StartFailed(f"KUBE_CONFIG_PATH: {path} cannot be read: {error.strerror}") from error
    except (ConfigException, yaml.YAMLError, ValueError, LookupError, TypeError) as error:
        raise StartFailed(f"KUBE_CONFIG_PATH: {path} is no usable kubeconfig: {error}") from error


def _from_this_pod(configuration: Configuration) -> None:
    try:
        incluster_config.load_incluster_config(  # type: ignore[no-untyped-call]  # the library's
            client_configuration=configuration
        )
    except (ConfigException, OSError) as error:
        raise StartFailed(
            f"this is no pod with a service account ({error}); set KUBE_CONFIG_PATH to a "
            "kubeconfig file, or FORGE_LAUNCHER=local"
        ) from error
