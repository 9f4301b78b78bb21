"""The command, speaking to a server on this machine."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from django.conf import settings as django_settings
from django.core.management import CommandError, call_command

from tests.platforms.graph import GONE, error, insights

FIGURES = {"views": None, "likes": None, "comments": None, "shares": None}
TWEET = {"id": "12", "public_metrics": {"retweet_count": 4, "reply_count": 3, "like_count": 20, "impression_count": 9}}


class Platforms(ThreadingHTTPServer):
    """Answers by path; `asked` is what it was asked. An answer is (status, body), headers after it where it has any."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = {"/api/v1/access_token": (200, {"access_token": "t", "expires_in": 3600})}
        self.asked = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        path = urlsplit(self.path).path
        self.server.asked.append((path, dict(self.headers), body))
        answer = self.server.answers.get(path, (404, ""))
        status, told, *headers = answer(self.path, body) if callable(answer) else answer
        sent = (told if isinstance(told, str) else json.dumps(told)).encode()
        self.send_response(status)
        for name, value in (headers[0] if headers else {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    do_POST = do_GET

    def log_message(self, *_):
        pass


@pytest.fixture
def platforms():
    with Platforms() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield server
        server.shutdown()


NAMES = ("YOUTUBE", "REDDIT", "X", "INSTAGRAM", "FACEBOOK", "TIKTOK")


@pytest.fixture
def run(platforms, settings, capsys):
    """Run the command here → its exit status and what it printed."""
    settings.PLATFORMS = {
        slug: config
        | {"base_url": platforms.url, "token_url": f"{platforms.url}/api/v1/access_token"}
        | {"credentials": dict.fromkeys(config["credentials"], "secret")}
        for slug, config in settings.PLATFORMS.items()
    }

    def run(*args):
        status = 0
        try:
            call_command("fetch_metrics", *args)
        except SystemExit as left:
            status = left.code
        (line,) = capsys.readouterr().out.splitlines()
        assert "secret" not in line
        return status, json.loads(line)

    return run


def live(**figures):
    return {"availability": "live", **FIGURES, **figures, "error": None}


MISSING = {"availability": "missing", **FIGURES, "error": None}


def test_it_is_a_process_that_needs_variables_and_no_database(platforms):
    item = {"id": "-bc_9AdeF-0", "statistics": {"viewCount": "10", "commentCount": "0"}}
    platforms.answers["/youtube/v3/videos"] = (200, {"items": [item]})
    variables = {f"{name}_BASE_URL": f"{platforms.url}/youtube/v3" for name in NAMES} | {
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing",
        "YOUTUBE_API_KEY": "secret-key",
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "fetch_metrics", "youtube", "--", "-bc_9AdeF-0", "gone", "-bc_9AdeF-0"],
        cwd=django_settings.BASE_DIR,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, json.loads(done.stdout)) == (
        0,
        {"posts": {"-bc_9AdeF-0": live(views=10, comments=0), "gone": MISSING}, "error": None, "calls": 1},
    )
    assert len(done.stdout.splitlines()) == 1
    assert "platform_call" in done.stderr
    assert "secret" not in done.stdout + done.stderr


def test_a_refusal_is_told_with_status_3(platforms, run):
    reason = {"error": {"code": 403, "errors": [{"reason": "quotaExceeded", "domain": "youtube.quota"}]}}
    platforms.answers["/youtube/v3/videos"] = (403, reason)
    status, told = run("youtube", "--", "abc")
    wait = told["error"].pop("retry_after_s")
    assert (status, told) == (
        3,
        {"posts": {}, "error": {"kind": "quota", "retryable": True, "code": "quotaExceeded"}, "calls": 1},
    )
    assert 0 < wait <= 86400


def test_more_ids_than_a_call_takes_are_several_calls_and_what_was_answered_is_kept(platforms, run):
    def videos(path, _):
        ids = parse_qs(urlsplit(path).query)["id"][0].split(",")
        if "v60" in ids:
            return 503, "<html>"
        return 200, {"items": [{"id": each, "statistics": {"viewCount": "1"}} for each in ids]}

    platforms.answers["/youtube/v3/videos"] = videos
    status, told = run("youtube", "--", *(f"v{each}" for each in range(70)))
    assert (status, told["calls"], len(told["posts"])) == (3, 2, 50)
    assert told["error"] == {"kind": "unavailable", "retryable": True, "code": "http_503", "retry_after_s": None}


def test_a_calls_for_tokens_are_not_counted_and_nothing_is_tried_twice(platforms, run):
    platforms.answers["/api/info"] = (401, {"message": "Unauthorized", "error": 401})
    status, told = run("reddit", "--", "1abc")
    assert (status, told["calls"], told["error"]["kind"]) == (3, 1, "auth")
    assert [path for path, *_ in platforms.asked] == ["/api/v1/access_token", "/api/info"]


def test_a_refused_token_is_no_call_for_data(platforms, run):
    platforms.answers["/api/v1/access_token"] = (200, {"error": "unauthorized_client"})
    status, told = run("reddit", "--", "1abc")
    assert (status, told["calls"]) == (3, 0)
    assert told["error"] == {"kind": "auth", "retryable": False, "code": "unauthorized_client", "retry_after_s": None}


def test_a_connections_token_comes_from_the_variable_that_is_named(platforms, run, monkeypatch):
    monkeypatch.setenv("THEIRS", "secret-t")
    video = {"id": "7080213458555737986", "view_count": 9, "like_count": 2, "comment_count": 1, "share_count": 0}
    platforms.answers["/v2/video/query/"] = (200, {"data": {"videos": [video]}, "error": {"code": "ok"}})
    status, told = run("tiktok", "--token-env", "THEIRS", "--", video["id"])
    assert (status, told["posts"]) == (0, {video["id"]: live(views=9, likes=2, comments=1, shares=0)})
    assert platforms.asked[0][1]["Authorization"] == "Bearer secret-t"


def test_without_a_connection_tiktok_is_not_asked(platforms, run):
    status, told = run("tiktok", "--", "1")
    wanted = {"kind": "auth", "retryable": False, "code": "connection_required", "retry_after_s": None}
    assert (status, told, platforms.asked) == (3, {"posts": {}, "error": wanted, "calls": 0}, [])


def batches(answers):
    def answer(_, body):
        elements = []
        for question in json.loads(parse_qs(body)["batch"][0]):
            told = answers.get(question["relative_url"].partition("?")[0], GONE)
            status, body = told if isinstance(told, tuple) else (200, told)
            elements.append(None if told is None else {"code": status, "body": json.dumps(body)})
        return 200, elements

    return answer


def test_a_batch_that_was_answered_in_part(platforms, run):
    platforms.answers["/v26.0/"] = batches(
        {
            "1": {"id": "1", "like_count": 20, "comments_count": 3},
            "1/insights": insights(views=9, shares=1),
            "2": error(10),
            "2/insights": error(10),
            "4": None,
        }
    )
    status, told = run("instagram", "--", "1", "2", "3", "4")
    assert (status, told["error"]) == (0, None)
    assert told["posts"] == {
        "1": live(views=9, likes=20, comments=3, shares=1),
        "2": {
            "availability": "denied",
            **FIGURES,
            "error": {"kind": "permission", "retryable": False, "code": "10", "retry_after_s": None},
        },
        "3": MISSING,
        "4": {
            "availability": None,
            **FIGURES,
            "error": {"kind": "unavailable", "retryable": True, "code": "timeout", "retry_after_s": None},
        },
    }


def test_a_base_url_may_hold_the_version_already(platforms, run, settings):
    settings.PLATFORMS["facebook"]["base_url"] += "/v26.0/"
    post = {"id": "7_1", "created_time": "2026-11-20T10:00:00+0000", "insights": insights(post_media_view=5)}
    platforms.answers["/v26.0/"] = batches({"7_1": post})
    status, told = run("facebook", "--", "7_1")
    assert (status, told["posts"]["7_1"]) == (0, live(views=5, shares=0))


def test_a_figure_that_cannot_be_read_is_an_error_of_its_post(platforms, run):
    metrics = TWEET["public_metrics"] | {"like_count": -1}
    platforms.answers["/2/tweets"] = (200, {"data": [TWEET | {"public_metrics": metrics}]})
    _, told = run("x", "--", "12")
    malformed = {"kind": "malformed", "retryable": True, "code": "malformed_figure", "retry_after_s": None}
    assert told["posts"]["12"] == live(views=9, comments=3, shares=4) | {"error": malformed}


def test_a_refusal_keeps_its_kind(platforms, run):
    refused = error(100, message="(#100) Tried accessing nonexisting field")
    post = {"id": "7_1", "created_time": "2026-11-20T10:00:00+0000", "insights": insights(post_media_view=5)}
    told = {"7_1": post, "7_2": error(200)}

    def answer(_, body):
        questions = [each["relative_url"] for each in json.loads(parse_qs(body)["batch"][0])]
        return batches(
            told | ({"7_1": refused} if any("7_1?" in each and "reactions" in each for each in questions) else {})
        )(_, body)

    platforms.answers["/v26.0/"] = answer
    _, read = run("facebook", "--", "7_1", "7_2")
    assert {each: (post["error"]["kind"], post["error"]["code"]) for each, post in read["posts"].items()} == {
        "7_1": ("invalid", "100"),
        "7_2": ("permission", "200"),
    }


def test_ids_are_asked_as_the_platform_writes_them_and_told_as_they_were_given(platforms, run):
    post = {"id": "1abc", "score": 5, "num_comments": 1}
    platforms.answers["/api/info"] = (200, {"data": {"children": [{"kind": "t3", "data": post}]}})
    status, told = run("reddit", "--", "t3_1abc", "1ABC", "\u212aabc", "1abc")
    malformed = {"kind": "invalid", "retryable": False, "code": "malformed_id", "retry_after_s": None}
    assert (status, told["calls"]) == (0, 1)
    assert told["posts"] == {
        **dict.fromkeys(("t3_1abc", "1ABC", "1abc"), live(likes=5, comments=1)),
        "\u212aabc": MISSING | {"error": malformed},
    }


@pytest.mark.parametrize("token", [None, "", " "])
def test_a_named_variable_without_a_token_is_a_refusal(platforms, run, monkeypatch, token):
    if token is not None:
        monkeypatch.setenv("THEIRS", token)
    status, told = run("x", "--token-env", "THEIRS", "--", "1")
    wanted = {"kind": "auth", "retryable": False, "code": "credentials_missing", "retry_after_s": None}
    assert (status, told, platforms.asked) == (3, {"posts": {}, "error": wanted, "calls": 0}, [])


def process(*args, **variables):
    return subprocess.Popen(
        [sys.executable, "manage.py", "fetch_metrics", *args],
        cwd=django_settings.BASE_DIR,
        env={name: value for name, value in os.environ.items() if not name.startswith("REDDIT_")} | variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


@pytest.mark.parametrize("name", ["REDDIT_BASE_URL", "REDDIT_TOKEN_URL"])
def test_a_server_of_ones_own_gets_no_credential_that_nobody_set(platforms, name):
    with process("reddit", "--", "1abc", **{name: platforms.url}, REDDIT_CLIENT_ID=" the-id\n") as asking:
        told = json.loads(asking.stdout.read())
        assert asking.wait(timeout=60) == 3
    assert (told["error"]["code"], told["calls"], platforms.asked) == ("credentials_missing", 0, [])


def test_a_reader_that_goes_away_is_no_crash():
    with process("tiktok", "--", "1") as asking:
        asking.stdout.close()
        assert b"Traceback" not in asking.stderr.read()
        assert asking.wait(timeout=60) == 3


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["linkedin", "--", "1"], "invalid choice: 'linkedin'"),
        (["x"], "required: ID"),
        (["x", "--"], "required: ID"),
    ],
)
def test_a_wrong_call_is_told_in_a_sentence(args, sentence):
    with pytest.raises(CommandError, match=sentence):
        call_command("fetch_metrics", *args)
