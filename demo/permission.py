"""Who may edit: one answer, which every editing endpoint asks for, and the page before it offers anything.

Somebody at this machine may, or somebody who has logged in; nobody else, and nobody where the app is for visitors.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import Request

# Whatever a proxy, a tunnel or a content network adds: the request then comes from elsewhere, whatever its Host says.
FORWARDING = (
    *("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-server"),
    *("x-forwarded-port", "x-real-ip", "x-client-ip", "x-original-host", "x-cluster-client-ip"),
    *("true-client-ip", "cf-connecting-ip", "fastly-client-ip", "x-envoy-external-address"),
)


@dataclass(frozen=True)
class Permission:
    """How this app may be edited.

    host: the address that it is bound to. login: whether it stands behind --auth. visitors: whether it is for visitors
    only: --read-only, a Space, or --share without --auth.
    """

    host: str = "127.0.0.1"
    login: bool = False
    visitors: bool = False

    def refusal(self, request: Request) -> str:
        """Why whoever sent this request may not edit, as a sentence; "" where they may."""
        if self.visitors:
            return "This app is read-only: visitors cannot change its galleries."
        if self.login:
            if user(request) is None:
                return "Log in first."
            hosts = {request.headers.get("host", ""), request.headers.get("x-forwarded-host", "")}
        else:
            if not loopback(self.host):
                return (
                    "This app can be reached from other machines, so its galleries can be changed only when it runs "
                    "with --auth."
                )
            if any(name in request.headers for name in FORWARDING):
                return (
                    "This request comes through a proxy: start the app with --auth to change it from there."
                )
            host = request.headers.get("host", "")
            if not loopback(_name(host)) or (request.client and not _here(request.client.host)):
                return (
                    "Galleries can be changed only in a browser on the machine that runs this app, at its local "
                    "address."
                )
            hosts = {host}
        origin = request.headers.get("origin")
        if origin is None:  # browsers leave it out where a page reads from its own server
            return (
                ""
                if request.method in ("GET", "HEAD")
                else "This request does not say which page it comes from."
            )
        if urlsplit(origin).netloc not in hosts - {""}:
            return "This request comes from a page of another server."
        return ""


def user(request: Request) -> str | None:
    """Who has logged in, None for nobody. As Gradio keeps it: a cookie that names a token."""
    app = request.scope.get("app")
    tokens, id = getattr(app, "tokens", None) or {}, getattr(app, "cookie_id", "")
    for name in (f"access-token-{id}", f"access-token-unsecure-{id}"):
        if (token := request.cookies.get(name)) and token in tokens:
            return tokens[token]
    return None


def loopback(host: str) -> bool:
    """Whether a host, by name or number, is this machine and no other."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _here(client: str) -> bool:
    """Whether an address of a connection is this machine's; a test's client has a name of its own."""
    return loopback(client.removeprefix("::ffff:")) or client == "testclient"


def _name(host: str) -> str:
    """The host of a Host header, without its port; "" where it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
