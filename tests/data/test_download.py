"""paperlib.data.download: from a real server on this machine, whole and verified or not at all."""

import http.server
import os
import threading

import pytest

from paperlib.data.download import fetch

BODY = bytes(range(256)) * 1000


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/whole")
            self.end_headers()
            return
        if self.path == "/absent":
            self.send_error(404)
            return
        if self.path == "/silent":  # closes without an answer
            return
        self.send_response(200)
        if self.path != "/unannounced":
            self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *arguments):
        pass


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def accept(path):
    if path.read_bytes() != BODY:
        raise ValueError("it is something else")


def refuse(path):
    raise ValueError("this is something else")


@pytest.mark.parametrize("page", ["whole", "moved", "unannounced"])
def test_a_whole_file_arrives_under_its_final_name(server, tmp_path, page):
    path = fetch(f"{server}/{page}", tmp_path / "new" / "a.gz", verify=accept, max_bytes=len(BODY))
    assert path.read_bytes() == BODY
    assert os.listdir(tmp_path / "new") == ["a.gz"]


def test_a_file_is_fetched_from_a_local_address(tmp_path):
    (tmp_path / "source").write_bytes(BODY)
    path = fetch((tmp_path / "source").as_uri(), tmp_path / "new" / "a", verify=accept, max_bytes=len(BODY))
    assert path.read_bytes() == BODY


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("absent", r"/absent answered 404 Not Found"),
        ("silent", r"/silent could not be fetched: Remote end closed connection"),
    ],
)
def test_a_server_that_fails_leaves_no_file(server, tmp_path, page, message):
    with pytest.raises(ConnectionError, match=message):
        fetch(f"{server}/{page}", tmp_path / "a", verify=accept, max_bytes=len(BODY))
    assert os.listdir(tmp_path) == []


def test_a_machine_without_the_server_says_so(tmp_path):
    with pytest.raises(ConnectionError, match=r"127\.0\.0\.1:9/a could not be fetched: .*[Rr]efused"):
        fetch("http://127.0.0.1:9/a", tmp_path / "a", verify=accept, max_bytes=1)


def test_a_file_that_the_check_refuses_leaves_the_old_one(server, tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(
        ValueError, match=r"/whole did not send the expected file, and nothing of it was kept: this is something else"
    ):
        fetch(f"{server}/whole", tmp_path / "a", verify=refuse, max_bytes=len(BODY))
    assert (tmp_path / "a").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_server_that_sends_too_much_is_stopped(server, tmp_path):
    with pytest.raises(
        ValueError, match=r"/unannounced did not send the expected file, .*: it sent more than 5000 bytes"
    ):
        fetch(f"{server}/unannounced", tmp_path / "a", verify=accept, max_bytes=5000)
    assert os.listdir(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"cannot write .*a: .*choose a folder you may write to"):
        fetch(f"{server}/whole", tmp_path / "file" / "a", verify=accept, max_bytes=len(BODY))
