"""Who may come in: hosts, origins, the token; and what no one gets to see."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from served import TOKEN
from starlette.responses import PlainTextResponse

from gantool.serve.door import Door


def knock(
    door: Door, path: str = "/x", method: str = "GET", host: str | None = "127.0.0.1:8000", **headers: str
) -> Any:
    """Status, headers and text of an answer; ``headers`` with _ for -."""
    lines = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    lines += [] if host is None else [(b"host", host.encode())]
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": lines,
        "query_string": b"",
        "http_version": "1.1",
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door(scope, receive, send))
    body = b"".join(one.get("body", b"") for one in sent)
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}, body.decode()


def door(**options: Any) -> Door:
    return Door(PlainTextResponse("inside"), **options)


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200), ("127.0.0.1:8000", 200), ("localhost:1", 200), ("LOCALHOST.", 200), ("[::1]:8000", 200),
        ("192.168.3.4:8000", 200), ("pictures.example:8000", 200), ("evil.example", 421),
        ("127.0.0.1.evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1@evil.example", 421),
        ("evil.example/127.0.0.1", 421), ("", 421), (None, 421), ("127.0.0.1:80:80", 421), ("[::1", 421),
        ("0x7f.1", 421),
    ],
)  # fmt: skip
def test_only_names_that_are_meant_are_answered(host: str | None, status: int) -> None:
    found, _, text = knock(door(hosts=["Pictures.example"]), host=host)
    assert (found, "inside" in text) == (status, status == 200)


def test_one_host_not_two() -> None:
    scope_headers = {"host": "evil.example"}
    assert knock(door(), **scope_headers)[0] == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:8000"}, 200),
        ({"origin": "http://127.0.0.1:8001"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://["}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"origin": "http://127.0.0.1:8000", "sec_fetch_site": "same-origin"}, 200),
    ],
)
def test_pages_of_other_sites_cannot_post(headers: dict[str, str], status: int) -> None:
    assert knock(door(), method="POST", **headers)[0] == status
    assert knock(door(), method="DELETE", **headers)[0] == status
    assert knock(door(), method="GET", **headers)[0] == 200  # whose answer they cannot read


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 200), (f"bearer  {TOKEN} ", 200), ("", 401), (TOKEN, 401), ("Bearer", 401),
        ("Bearer ", 401), (f"Bearer {TOKEN}x", 401), (f"Bearer {TOKEN[:-1]}", 401), (f"Basic {TOKEN}", 401),
        ("Bearer \xe4\xf6", 401),
    ],
)  # fmt: skip
def test_the_token(given: str, status: int) -> None:
    guarded = door(token=TOKEN, open_paths={"/"})
    found, headers, _ = knock(guarded, authorization=given)
    assert found == status
    assert ("WWW-Authenticate" in headers or "www-authenticate" in headers) == (status == 401)
    assert knock(guarded, path="/", authorization=given)[0] == 200
    assert knock(guarded, path="/x/../", authorization="")[0] == 401


def test_what_goes_wrong_inside_is_not_told() -> None:
    kinds: list[str] = []

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("/home/someone/secret")

    status, headers, text = knock(Door(broken, on_mistake=kinds.append))
    assert (status, json.loads(text)) == (500, {"error": "Something went wrong here."})
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert kinds == ["ValueError"]


def test_every_answer_carries_the_policy_and_is_counted() -> None:
    counted: list[Any] = []
    one = door(known_paths={"/x"}, on_answer=lambda *values: counted.append(values[:2]))
    for path in ("/x", "/y"):
        _, headers, _ = knock(one, path=path)
        assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
    knock(one, host="evil.example")
    assert counted == [("/x", 200), ("other", 200), ("/x", 421)]


def test_a_server_that_stops_closes_connections() -> None:
    one = door()
    assert "connection" not in knock(one)[1]
    one.closing = True
    assert knock(one)[1]["connection"] == "close"
