"""A running server, asked plainly over HTTP: hosts, forged requests, what it sends."""

import http.client
import re
import urllib.parse

import pytest

from tests.browser.server import ROOT, Server, serving

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("plain")) as running:
        yield running


def asked(server: Server, path: str, method: str = "GET", **headers: str) -> int:
    """The status that a request is answered with; underscores in header names are hyphens."""
    place = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, headers=named)
    status = connection.getresponse().status
    connection.close()
    return status


def connected(server: Server, host: str, origin: str) -> int:
    """The status of opening the socket that a page talks over: 101 where it is let in."""
    path = urllib.parse.urlsplit(server.url).path
    return asked(server, f"{path}/_stcore/stream", Host=host, Origin=origin, Connection="Upgrade",
                 Upgrade="websocket", Sec_WebSocket_Version="13", Sec_WebSocket_Key=KEY)


def test_its_own_page_is_let_in(server):
    here = urllib.parse.urlsplit(server.url).netloc
    assert connected(server, here, f"http://{here}") == 101


def test_a_foreign_host_is_refused(server):
    """As after DNS rebinding: the browser's name for this machine is the attacker's."""
    assert connected(server, "evil.example", "http://evil.example") in (400, 403)


@pytest.mark.parametrize("path", ["/", "/_stcore/health"])
def test_the_empty_page_and_the_health_answer_under_any_host(server, path):
    """As SECURITY.md says: what is worth keeping goes over the socket."""
    assert asked(server, path, Host="evil.example") == 200


def test_a_page_of_another_port_of_this_machine_is_let_in(server):
    """As SECURITY.md says: Streamlit compares the names of hosts, not their ports."""
    here = urllib.parse.urlsplit(server.url).netloc
    assert connected(server, here, "http://127.0.0.1:1") == 101
    assert connected(server, here, "http://localhost:1") == 101


def test_a_foreign_page_is_refused(server):
    here = urllib.parse.urlsplit(server.url).netloc
    assert connected(server, here, "http://evil.example") in (400, 403)


def test_an_upload_without_the_token_is_refused(server):
    assert asked(server, "/_stcore/upload_file/a/b", "PUT", Content_Length="0") in (400, 403)


def test_behind_a_proxy_its_public_name_is_let_in_and_no_other(tmp_path):
    """With the command of docs/serve.md, asked as its nginx asks: Host passed on, path kept."""
    (line,) = re.findall(r'make serve OPTIONS="(--server.baseUrlPath .*)"',
                         (ROOT / "docs/serve.md").read_text())
    _, path, *options = line.split()
    with serving(tmp_path, f"/{path}", options, NGF_SHARED="1") as proxied:
        assert connected(proxied, "lab.example.org", "https://lab.example.org") == 101
        assert asked(proxied, f"/{path}/", Host="lab.example.org") == 200
        assert connected(proxied, "lab.example.org", "https://evil.example") in (400, 403)
        assert connected(proxied, "evil.example", "https://evil.example") in (400, 403)
        assert asked(proxied, "/_stcore/health", Host="lab.example.org") == 404
        assert not proxied.traces()


@pytest.mark.parametrize("path", [
    "/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "/static/../../../etc/passwd",
    "/media/../../etc/passwd", "/component/x/../../../../etc/passwd", "/app/static/../../x"])
def test_no_path_leads_to_a_file_of_the_machine(server, path):
    place = urllib.parse.urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=30)
    connection.putrequest("GET", path, skip_host=False)
    connection.endheaders()
    assert b"root:" not in connection.getresponse().read()
    connection.close()


def test_it_printed_no_stack_trace(server):
    assert not server.traces()
