"""What the YouTube adapter asks for and reads, held against the API's own description of itself."""

import json
from importlib.resources import files

import pytest

from platforms.adapters.youtube import CHANNEL_PARTS, PARTS

DISCOVERY = json.loads(
    files("googleapiclient").joinpath("discovery_cache/documents/youtube.v3.json").read_text(encoding="utf-8")
)


def parameters(resource):
    return DISCOVERY["resources"][resource]["methods"]["list"]["parameters"]


def type_of(schema, path):
    """The type of a field given by its path, such as "statistics.viewCount": of a count, its format too."""
    for name in path.split("."):
        found = DISCOVERY["schemas"][schema]["properties"][name]
        schema = found.get("$ref")
    return found.get("format", found.get("type", "object"))


def test_the_paths_are_the_apis():
    assert DISCOVERY["version"] == "v3"
    for resource in ("videos", "channels"):
        method = DISCOVERY["resources"][resource]["methods"]["list"]
        assert (method["httpMethod"], method["path"]) == ("GET", f"youtube/v3/{resource}")


@pytest.mark.parametrize(
    ("resource", "names"), [("videos", ["part", "id"]), ("channels", ["part", "id", "forHandle", "mine"])]
)
def test_the_parameters_are_known(resource, names):
    assert set(names) <= parameters(resource).keys()
    assert "key" in DISCOVERY["parameters"]


@pytest.mark.parametrize(("schema", "parts"), [("Video", PARTS), ("Channel", CHANNEL_PARTS)])
def test_every_part_that_is_asked_for_is_one(schema, parts):
    assert set(parts.split(",")) <= DISCOVERY["schemas"][schema]["properties"].keys()


@pytest.mark.parametrize(
    ("schema", "path", "kind"),
    [
        ("VideoListResponse", "kind", "string"),
        ("VideoListResponse", "items", "array"),
        ("Video", "id", "string"),
        ("Video", "statistics.viewCount", "uint64"),
        ("Video", "statistics.likeCount", "uint64"),
        ("Video", "statistics.commentCount", "uint64"),
        ("Video", "status.uploadStatus", "string"),
        ("Video", "snippet.publishedAt", "date-time"),
        ("Video", "snippet.channelId", "string"),
        ("Video", "snippet.channelTitle", "string"),
        ("Video", "snippet.title", "string"),
        ("Video", "snippet.description", "string"),
        ("Video", "paidProductPlacementDetails.hasPaidProductPlacement", "boolean"),
        ("ChannelListResponse", "items", "array"),
        ("Channel", "id", "string"),
        ("Channel", "snippet.customUrl", "string"),
        ("Channel", "snippet.description", "string"),
        ("Channel", "statistics.subscriberCount", "uint64"),
    ],
)
def test_every_field_that_is_read_is_there_with_its_type(schema, path, kind):
    assert type_of(schema, path) == kind


def test_a_count_is_sent_as_text():
    assert DISCOVERY["schemas"]["VideoStatistics"]["properties"]["viewCount"]["type"] == "string"


def test_a_video_that_is_gone_may_say_so():
    states = DISCOVERY["schemas"]["VideoStatus"]["properties"]["uploadStatus"]["enum"]
    assert {"deleted", "rejected"} <= set(states)


def test_what_only_an_owner_may_ask_for_is_not_asked_for():
    owners_only = "can only be retrieved by the video owner"
    assert owners_only in DISCOVERY["schemas"]["VideoPaidProductPlacementDetails"]["description"]
    assert "paidProductPlacementDetails" not in PARTS
