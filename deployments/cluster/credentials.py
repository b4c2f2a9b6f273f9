"""Credentials of a cluster, read by the official client: it knows every kind of kubeconfig and refreshes tokens."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

from headgate.errors import ConfigError
from headgate.secrets import Secret, mask

_NEXT = "Set kubernetes.kubeconfig and kubernetes.context in headgate.yaml, or $KUBECONFIG."


def load_configuration(kubeconfig: str | None, context: str | None, *, purpose: str) -> Any:
    """A `kubernetes.client.Configuration` from `kubeconfig`, else $KUBECONFIG, else ~/.kube/config, else the service
    account of the pod this runs in.

    `purpose` begins the message when the client is not installed. Raises `ConfigError`.
    """
    try:
        from kubernetes import client, config
    except ImportError as error:
        raise ConfigError(
            f"{purpose} needs the Kubernetes client",
            next_step="Install it: pip install 'headgate[kubernetes]'.",
        ) from error
    try:
        settings = client.Configuration()
        # Read here: the client's own default for $KUBECONFIG is fixed when it is imported.
        file = kubeconfig or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
        if kubeconfig or os.environ.get("KUBECONFIG") or Path(file).exists():
            config.load_kube_config(config_file=file, context=context, client_configuration=settings)
        else:
            config.load_incluster_config(client_configuration=settings)
    except Exception as error:
        raise ConfigError(
            mask(f"there is no usable kubeconfig: {error}"), where=kubeconfig or "KUBECONFIG", next_step=_NEXT
        ) from error
    return settings


def auth_headers(settings: Any) -> dict[str, str | Secret]:
    """The headers that prove who we are, refreshed when a token is about to expire. Raises `ConfigError`."""
    try:
        schemes = settings.auth_settings().values()
    except Exception as error:  # a credential plug-in or an identity provider that fails
        raise ConfigError(
            mask(f"the credentials of the kubeconfig could not be refreshed: {error}"),
            where="kubeconfig",
            next_step=_NEXT,
        ) from error
    return {str(item["key"]): Secret(str(item["value"])) for item in schemes if item.get("in") == "header"}


def tls_context(settings: Any) -> ssl.SSLContext | bool:
    """What the server's certificate is checked against, with our own certificate if there is one.

    Raises `ConfigError` when one of the files cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=settings.ssl_ca_cert or None)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file or None)
    except OSError as error:  # ssl.SSLError is one as well
        raise ConfigError(
            f"the certificates of the kubeconfig cannot be used: {error}", where="kubeconfig", next_step=_NEXT
        ) from error
    if not settings.verify_ssl:  # insecure-skip-tls-verify, said in the kubeconfig
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
