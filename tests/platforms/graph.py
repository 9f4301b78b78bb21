"""Meta's Graph API as the tests see it: questions by their path, each with an answer of its own."""

import json
from urllib.parse import parse_qs, urlsplit

import httpx
import respx

from platforms.transport import Http

HTTP = Http()
BASE = "https://graph.test"
ROOT = f"{BASE}/v26.0/"


def error(code, subcode=None, message="It failed.", status=400, **more):
    given = {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "A1"} | more
    if subcode is not None:
        given["error_subcode"] = subcode
    return status, {"error": given}


GONE = error(
    100,
    33,
    "Unsupported get request. Object with ID '1' does not exist, cannot be loaded due to missing permissions, or does"
    " not support this operation.",
)


class Graph:
    """Answers batches. `answers` maps a path, such as "1" or "1/insights", to what is told there: an object, a pair
    (status, object), None for what Meta had no time for, or a list of these, one for each time it is asked."""

    def __init__(self, adapter, answers, headers=None):
        self.adapter = adapter
        self.answers = answers
        self.headers = headers or {}
        self.batches = []
        self.tokens = []
        self.spent = []

    def fetch(self, *ids, token=None):
        with respx.mock(assert_all_called=False) as router:
            router.post(ROOT).mock(side_effect=self._batch)
            return self.adapter.fetch(HTTP, ids, token=token, spend=self.spent.append)

    def _batch(self, request):
        form = parse_qs(request.content.decode(), strict_parsing=True)
        questions = json.loads(form["batch"][0])
        assert form["include_headers"] == ["false"]
        assert {each["method"] for each in questions} == {"GET"}
        assert len(questions) <= 50
        self.tokens += form["access_token"]
        self.batches.append([each["relative_url"] for each in questions])
        return httpx.Response(
            200, json=[self._element(each["relative_url"]) for each in questions], headers=self.headers
        )

    def _element(self, relative_url):
        parts = urlsplit(relative_url)
        answer = self.answers.get(parts.path, GONE)
        if callable(answer):
            answer = answer({name: value[0] for name, value in parse_qs(parts.query).items()})
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if answer is None:
            return None
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        return {"code": status, "body": body if isinstance(body, str) else json.dumps(body)}


def insights(total=False, **figures):
    """Insights as a post's edge has them, in the one shape or the other."""
    return {
        "data": [
            {"name": name, "period": "lifetime", "total_value": {"value": value}}
            if total
            else {"name": name, "period": "lifetime", "values": [{"value": value}], "title": name, "id": f"1/{name}"}
            for name, value in figures.items()
        ]
    }
