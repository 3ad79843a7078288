"""paperlib.data.download: a download that broke off goes on where it stopped, and never joins what does not fit."""

import http.server
import os
import threading
from dataclasses import dataclass, field

import pytest

from paperlib.data import download
from paperlib.data.download import fetch

BODY = bytes(range(256)) * 1000
CUT = 100_000


@dataclass
class Home:
    """A file on a server of this machine, how the server behaves, and the headers of what it was asked."""

    url: str
    body: bytes = BODY
    headers: dict[str, str] = field(default_factory=dict)
    knows_ranges: bool = True
    range_answer: str | None = None
    cut: int | None = None  # bytes of the body that are sent before the connection breaks
    status: int | None = None  # of an error that is all it answers
    asked: list[dict[str, str]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        home = self.server.home
        home.asked.append(dict(self.headers))
        asked, tag = self.headers.get("Range"), self.headers.get("If-Range")
        is_part = asked and home.knows_ranges and (tag is None or tag in home.headers.values())
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if is_part else 0
        if home.status or start >= len(home.body):
            self.send_error(home.status or 416)
            return
        self.send_response(206 if is_part else 200)
        if is_part:
            answer = home.range_answer or f"bytes {start}-{len(home.body) - 1}/{len(home.body)}"
            self.send_header("Content-Range", answer)
        for name, value in home.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(home.body) - start))
        self.end_headers()
        self.wfile.write(home.body[start:][: home.cut])

    def log_message(self, *arguments):
        pass


@pytest.fixture
def home(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.home = Home(f"http://127.0.0.1:{server.server_port}/file")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.home
        server.shutdown()
        thread.join()


def accept(path):
    if path.read_bytes() != BODY:
        raise ValueError("it is something else")


def refuse(path):
    raise ValueError("this is something else")


def get(home, folder, verify=accept):
    return fetch(home.url, folder / "a", verify=verify, max_bytes=2 * len(BODY))


def break_off(home, folder):
    """A first try, of which the first ``CUT`` bytes arrive."""
    home.cut = CUT
    with pytest.raises(ConnectionError, match=rf"stopped after {CUT} of {len(BODY)} bytes; the next try goes on there"):
        get(home, folder)
    home.cut = None


@pytest.mark.parametrize(
    ("headers", "condition"),
    [
        ({"ETag": '"v1"'}, '"v1"'),
        ({"ETag": 'W/"v1"', "Last-Modified": "Thu, 01 Jan 2009 00:00:00 GMT"}, "Thu, 01 Jan 2009 00:00:00 GMT"),
        ({"ETag": 'W/"v1"'}, None),
        ({}, None),
    ],
    ids=["strong tag", "date", "weak tag", "nothing"],
)
def test_a_broken_download_goes_on_where_it_stopped(home, tmp_path, headers, condition):
    home.headers = headers
    break_off(home, tmp_path)
    assert (tmp_path / "a.partial").read_bytes() == BODY[:CUT]
    assert not (tmp_path / "a").exists()
    get(home, tmp_path)
    assert (tmp_path / "a").read_bytes() == BODY
    assert os.listdir(tmp_path) == ["a"]
    first, second = home.asked
    assert "Range" not in first
    assert second["Range"] == f"bytes={CUT}-"
    assert second.get("If-Range") == condition


def test_a_download_that_breaks_again_and_again_arrives_in_the_end(home, tmp_path):
    home.cut = CUT
    for arrived in (CUT, 2 * CUT):
        with pytest.raises(ConnectionError, match=rf"it stopped after {arrived} of {len(BODY)} bytes"):
            get(home, tmp_path)
    get(home, tmp_path)
    assert (tmp_path / "a").read_bytes() == BODY
    assert [each.get("Range") for each in home.asked] == [None, f"bytes={CUT}-", f"bytes={2 * CUT}-"]


def test_a_server_that_ignores_ranges_is_read_from_the_start(home, tmp_path):
    home.knows_ranges = False
    break_off(home, tmp_path)
    home.cut = 1000
    with pytest.raises(ConnectionError, match=rf"it stopped after 1000 of {len(BODY)} bytes"):
        get(home, tmp_path)
    assert (tmp_path / "a.partial").read_bytes() == BODY[:1000]  # nothing of the older part is behind it
    home.cut = None
    get(home, tmp_path)
    assert (tmp_path / "a").read_bytes() == BODY
    assert len(home.asked) == 3


def test_a_file_that_has_changed_meanwhile_is_sent_whole_by_a_server_with_tags(home, tmp_path):
    home.headers, home.body = {"ETag": '"v1"'}, bytes(len(BODY))
    break_off(home, tmp_path)
    home.headers, home.body = {"ETag": '"v2"'}, BODY
    get(home, tmp_path)
    assert (tmp_path / "a").read_bytes() == BODY
    assert len(home.asked) == 2


def test_parts_that_do_not_fit_together_are_fetched_anew_as_a_whole(home, tmp_path):
    home.body = bytes(len(BODY))
    break_off(home, tmp_path)
    home.body = BODY
    get(home, tmp_path)
    assert (tmp_path / "a").read_bytes() == BODY
    assert [each.get("Range") for each in home.asked] == [None, f"bytes={CUT}-", None]


def test_a_file_that_is_wrong_a_second_time_is_refused_and_not_kept(home, tmp_path):
    break_off(home, tmp_path)
    with pytest.raises(ValueError, match=r"/file did not send the expected file, and nothing of it was kept"):
        get(home, tmp_path, refuse)
    assert os.listdir(tmp_path) == []
    assert [each.get("Range") for each in home.asked] == [None, f"bytes={CUT}-", None]


def test_a_file_that_is_wrong_at_once_is_not_fetched_twice(home, tmp_path):
    with pytest.raises(ValueError, match=r"did not send the expected file"):
        get(home, tmp_path, refuse)
    assert len(home.asked) == 1


def test_a_whole_file_whose_check_was_interrupted_is_checked_without_another_download(home, tmp_path):
    def interrupt(path):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(home, tmp_path, interrupt)
    assert (tmp_path / "a.partial").read_bytes() == BODY
    home.cut = 0  # from here on nothing of the body is sent
    get(home, tmp_path)
    assert os.listdir(tmp_path) == ["a"]


def test_a_part_longer_than_the_file_is_thrown_away(home, tmp_path):
    (tmp_path / "a.partial").write_bytes(BODY + b"!")
    get(home, tmp_path)
    assert (tmp_path / "a").read_bytes() == BODY


def test_a_range_that_was_not_asked_for_is_not_joined(home, tmp_path):
    break_off(home, tmp_path)
    home.range_answer = f"bytes 7-{len(BODY) - 1}/{len(BODY)}"
    get(home, tmp_path)
    assert (tmp_path / "a").read_bytes() == BODY
    assert "Range" not in home.asked[-1]


def test_a_part_is_kept_while_the_server_is_away(home, tmp_path):
    break_off(home, tmp_path)
    home.status = 503
    with pytest.raises(ConnectionError, match="/file answered 503 Service Unavailable"):
        get(home, tmp_path)
    assert (tmp_path / "a.partial").read_bytes() == BODY[:CUT]


def test_the_progress_bar_begins_at_the_byte_that_is_there(home, tmp_path, monkeypatch):
    break_off(home, tmp_path)
    bars = []

    class Bar(download.tqdm):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            bars.append(self)

    monkeypatch.setattr(download, "tqdm", Bar)
    get(home, tmp_path)
    assert [(bar.initial, bar.n, bar.total) for bar in bars] == [(CUT, len(BODY), len(BODY))]


@pytest.mark.skipif(download.fcntl is None, reason="no locks on this system")
def test_who_waits_for_another_process_takes_what_it_fetched(home, tmp_path, monkeypatch):
    waits, lock = threading.Event(), download.fcntl.flock
    errors = []

    def flock(stream, kind):
        waits.set()
        lock(stream, kind)

    def late():
        try:
            get(home, tmp_path)
        except BaseException as error:
            errors.append(error)

    with download._alone(tmp_path / "a.partial"):
        monkeypatch.setattr(download.fcntl, "flock", flock)
        thread = threading.Thread(target=late)
        thread.start()
        assert waits.wait(5)
        (tmp_path / "a.partial").write_bytes(BODY)
        os.replace(tmp_path / "a.partial", tmp_path / "a")
    thread.join(5)
    assert errors == []
    assert home.asked == []
    assert os.listdir(tmp_path) == ["a"]
