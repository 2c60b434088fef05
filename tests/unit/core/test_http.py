import contextlib
import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from aggregator.core import http
from aggregator.core.http import HttpClient, RequestFailed, RequestRefused

BEFORE_THE_DRIP = {
    "/drip/head": b"X-Head: ",
    "/drip/body": b"Connection: close\r\n\r\n",
    "/drip/chunk": b"Transfer-Encoding: chunked\r\n\r\n",
}


class _Peer(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/")
            self.end_headers()
        elif self.path == "/nowhere":
            self.send_response(302)
            self.send_header("Location", "http://[")
            self.end_headers()
        elif self.path == "/endless":
            self.send_response(200)
            self.end_headers()
            for _ in range(64):
                self.wfile.write(b"x" * 65_536)
        elif self.path in BEFORE_THE_DRIP:
            self.wfile.write(b"HTTP/1.1 200 OK\r\n" + BEFORE_THE_DRIP[self.path])
            for _ in range(100):
                time.sleep(0.05)
                with contextlib.suppress(OSError):
                    self.wfile.write(b"0")
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"hello")

    def log_message(self, *_):
        pass


@pytest.fixture
def peer():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Peer)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def client():
    return HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"}))


@pytest.fixture
def rebound(monkeypatch):
    """A listening socket, and a name that is a public address when it is looked up first and that socket's later on."""
    look_up, public = socket.getaddrinfo, iter(["93.184.215.14"])

    def changing(host, *args, **kwargs):
        return look_up(next(public, "127.0.0.1") if host == "changing.example" else host, *args, **kwargs)

    with socket.create_server(("127.0.0.1", 0)) as inside:
        inside.settimeout(0.2)
        monkeypatch.setattr(socket, "getaddrinfo", changing)
        yield inside, f"http://changing.example:{inside.getsockname()[1]}/"


def told_to(inside):
    """What a listening socket was sent by whoever called it."""
    try:
        caller, _ = inside.accept()
    except TimeoutError:
        return b""
    with caller:
        return caller.recv(1024)


def test_a_name_that_leads_elsewhere_after_it_was_checked_is_told_nothing(rebound):
    inside, url = rebound
    with pytest.raises(RequestRefused, match=r"changing\.example is on a private network \(127\.0\.0\.1\)"):
        HttpClient(read_timeout_seconds=0.2).request(method="POST", url=url, body=b"secret")
    assert told_to(inside) == b""


@pytest.mark.parametrize("path", BEFORE_THE_DRIP)
def test_an_answer_that_drips_in_for_ever_is_given_up(peer, path):
    # each byte comes in time, all of them together do not
    impatient = HttpClient(allowed_private_hosts=frozenset({"127.0.0.1"}), read_timeout_seconds=0.2)
    started = time.monotonic()
    with pytest.raises(RequestFailed, match="too slowly"):
        impatient.request(method="GET", url=f"{peer}{path}")
    assert time.monotonic() - started < 4  # the drip takes five seconds


def test_a_named_private_host_answers(peer, client):
    answer = client.request(method="GET", url=f"{peer}/")
    assert (answer.status_code, answer.body, answer.is_success) == (200, b"hello", True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "10.0.0.1", "192.168.1.1", "169.254.169.254", "[::1]"])
def test_private_addresses_are_refused_unless_named(host):
    with pytest.raises(RequestRefused, match="private network"):
        HttpClient().request(method="GET", url=f"http://{host}:1/")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.org/", "no address", "http://"])
def test_other_schemes_are_refused(client, url):
    with pytest.raises(RequestRefused, match="is not an address to call"):
        client.request(method="GET", url=url)


def test_redirects_are_answers_not_followed(peer, client):
    assert client.request(method="GET", url=f"{peer}/redirect").status_code == 302


def test_a_large_answer_is_cut_off(peer, client, monkeypatch):
    monkeypatch.setattr(http, "LARGEST_RESPONSE_BYTES", 1024 * 1024)
    with pytest.raises(RequestFailed, match="the rest was not read"):
        client.request(method="GET", url=f"{peer}/endless")


@pytest.fixture
def hanging_up():
    """A peer that reads a request and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up():
            caller, _ = server.accept()
            with caller:
                caller.recv(1024)

        reading = threading.Thread(target=hang_up)
        reading.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
        reading.join()


def test_without_a_connection_nothing_can_have_arrived(client, peer):
    nobody, not_secured = "http://127.0.0.1:1/", peer.replace("http:", "https:")
    for url in (nobody, not_secured, "http://nowhere.invalid/"):
        with pytest.raises(RequestFailed) as failed:
            client.request(method="POST", url=url, body=b"order")
        assert not failed.value.may_have_arrived, url


def test_what_was_sent_and_not_answered_may_have_arrived(client, hanging_up):
    with pytest.raises(RequestFailed) as failed:
        client.request(method="POST", url=hanging_up, body=b"order")
    assert failed.value.may_have_arrived


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://peer.example:99999/", f"http://{'a' * 64}.example/", "http://a..example/"]
)
def test_an_address_that_is_none_is_refused(client, url):
    # it may be what a partner typed, or where an answer redirects to
    with pytest.raises(RequestRefused, match="is not an address to call"):
        client.request(method="GET", url=url)


def test_a_redirect_to_no_address_is_no_usable_answer(client, peer):
    with pytest.raises(RequestFailed, match="/nowhere failed: Invalid IPv6 URL"):
        client.request(method="GET", url=f"{peer}/nowhere")
