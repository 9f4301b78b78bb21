"""Meta's usage headers: how much of its limits is used, and how long until calls are taken again."""

from collections.abc import Iterable, Mapping
from typing import Any

from platforms.adapters.base import error_body
from platforms.errors import wait_s
from platforms.transport import Response

REST_DEFAULT_S = 300
_PLAIN = ("x-app-usage", "x-page-usage", "x-ad-account-usage")
_BY_USE_CASE = "x-business-use-case-usage"
USAGE_HEADERS = (*_PLAIN, _BY_USE_CASE)


class Usage:
    """What the usage headers say. Percentages: at 100 of any, calls are refused.

    `named_s`: how long until access comes back, where that is told: minutes for business use cases, seconds for ad
    accounts. `rest_s`: the same once a limit is used up, or REST_DEFAULT_S where no time is told.
    """

    def __init__(self, headers: Mapping[str, str]) -> None:
        entries = [
            *(_json_object(headers.get(name)) for name in _PLAIN),
            *_business_use_cases(headers.get(_BY_USE_CASE)),
        ]
        shares = ("call_count", "total_time", "total_cputime", "acc_id_util_pct")
        used_up = [each for each in entries if any(_number(each.get(name)) >= 100 for name in shares)]
        self.named_s = _longest(entries)
        self.rest_s = (_longest(used_up) or REST_DEFAULT_S) if used_up else None


def _longest(entries: Iterable[Mapping[str, Any]]) -> int | None:
    waits = [60 * _number(each.get("estimated_time_to_regain_access")) for each in entries]
    waits += [_number(each.get("reset_time_duration")) for each in entries]
    longest = max(waits, default=0)
    return wait_s(longest) if longest > 0 else None


def _business_use_cases(header: str | None) -> list[Mapping[str, Any]]:
    lists = [each for each in _json_object(header).values() if isinstance(each, list)]
    return [entry for each in lists for entry in each if isinstance(entry, dict)]


def _json_object(header: str | None) -> Mapping[str, Any]:
    return error_body(Response(200, {}, (header or "").encode()))


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else 0
