"""The way to one server: directly or through a proxy, in the clear or over TLS.

Proxies come from HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY; certificates from SSL_CERT_FILE or SSL_CERT_DIR, else
from certifi.
"""

from __future__ import annotations

import os
import sys
import threading
from binascii import b2a_base64
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, unquote, urlsplit

from headgate.errors import ConfigError

if TYPE_CHECKING:
    import ssl


class Route:
    """Where to connect, and what stands before every request. Thread-safe.

    `host` and `port` are those of the server or its proxy. `tls` is the name that the certificate must have, None in
    the clear; `tunnel` is the request that opens the way through a proxy to TLS, None when there is none. Raises
    `ConfigError` for addresses and proxies that cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        to = _parsed(self.url)
        port = to.port or (443 if to.scheme == "https" else 80)
        proxy = _proxy_for(to)
        self.tls = to.hostname if to.scheme == "https" else None
        self.host, self.port = to.hostname or "", port
        self.tunnel: bytes | None = None
        authority = to.netloc.rpartition("@")[2]
        self._prefix = to.path
        self._fixed = f"Host: {authority}\r\nUser-Agent: headgate\r\n"
        if proxy is not None:
            self.host, self.port = proxy.hostname or "", proxy.port or 80
            if self.tls is None:
                self._prefix = f"http://{authority}{to.path}"
                self._fixed += _proxy_credentials(proxy)
            else:
                there = f"{to.hostname}:{port}"
                opening = f"CONNECT {there} HTTP/1.1\r\nHost: {there}\r\n{_proxy_credentials(proxy)}\r\n"
                self.tunnel = opening.encode("latin-1")
        self._mutex = threading.Lock()
        self._context: ssl.SSLContext | None = None

    def head(self, method: str, target: str, fields: str, size: int | None) -> bytes:
        """The head of a request. `target` is the encoded path and query; each of `fields` ends with CR LF."""
        length = "" if size is None else f"Content-Length: {size}\r\n"
        head = f"{method} {self._prefix}{target} HTTP/1.1\r\n{self._fixed}{fields}{length}\r\n"
        return head.encode("latin-1")

    def context(self) -> ssl.SSLContext:
        """What TLS connections are made with."""
        import ssl  # seldom needed where it takes long to load: by the benchmark and the tests

        with self._mutex:
            if self._context is None:
                chosen = any(os.environ.get(name) for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
                self._context = ssl.create_default_context(cafile=None if chosen else _bundle())
                self._context.set_alpn_protocols(["http/1.1"])
            return self._context


def _bundle() -> str:
    import certifi

    return certifi.where()


def _parsed(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        named = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port)
        if named and f"{parts.netloc.rpartition('@')[2]}{parts.path}".isascii():
            return parts
    except ValueError:
        pass
    scheme, _, rest = url.rpartition("://")  # whatever stands before an @ may be a password
    shown = f"{scheme}://{rest.rpartition('@')[2]}" if scheme else rest.rpartition("@")[2]
    raise ConfigError(
        f"{shown!r} is no address of a server",
        next_step="Write http://HOST:PORT or https://HOST, other letters than ASCII as punycode (xn--...).",
    )


def _proxy_for(to: SplitResult) -> SplitResult | None:
    """The proxy that the environment names for a server; None for a direct connection."""
    if sys.platform not in {"darwin", "win32"} and not any(name.lower().endswith("_proxy") for name in os.environ):
        return None  # urllib.request takes long to load
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    named = proxies.get(to.scheme) or proxies.get("all")
    if not named or proxy_bypass(to.netloc.rpartition("@")[2]):
        return None
    proxy = _parsed(named if "://" in named else f"http://{named}") if not named.startswith("socks") else None
    if proxy is None or proxy.scheme != "http":
        raise ConfigError(
            f"the proxy for {to.scheme} is not an http:// one",
            next_step="Set HTTP_PROXY and HTTPS_PROXY to http://HOST:PORT, or NO_PROXY to reach the server directly.",
        )
    return proxy


def _proxy_credentials(proxy: SplitResult) -> str:
    if proxy.username is None:
        return ""
    pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return f"Proxy-Authorization: Basic {b2a_base64(pair.encode(), newline=False).decode()}\r\n"
