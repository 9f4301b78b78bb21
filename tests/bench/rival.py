"""What ours is held against: the same two endpoints written the fast way, FastAPI and asyncpg on granian.

It does for the same callers what ours does: it looks the key up and compares its digest, reads the body strictly, takes
the content's lock, checks campaign, enrolment and claimants, and writes the same rows in one transaction; a test holds
its answers and its rows against ours. What ours does for cases that no request of the benchmark is (short links, proof
of accounts, imports) it does not know.
"""

import base64
import hashlib
import hmac
import json
import os
import pickle
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
from fastapi import FastAPI, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from uuid_utils.compat import uuid7

from affiliates import keys
from config import words
from config.counts import MAX_COUNT
from platforms.links import MAX_URL_CHARS, PostLink, identify
from reconciliation.gaps import Look

CONNECTIONS = 4
"""Of each process to the database: as many as ours has threads."""
BODY_LIMIT_BYTES = 256 * 1024
CONTENT_LOCK, CONTENT_LOCKS = 1, 1024
PAGE_SIZE = 50
USE_NOTED_EVERY = timedelta(minutes=1)
HEAD_START = timedelta(hours=8)
GAP_S = 0.1
_notified_at: dict[str, float] = {}
QUEUE_SECRET = b"a secret as long as the real one, which signs what is queued"


class RefusedError(Exception):
    """An answer to the sender that is not the one they hoped for."""

    def __init__(self, status: int, code: str, field: str = "") -> None:
        super().__init__(code)
        self.status, self.code, self.field = status, code, field


@asynccontextmanager
async def _with_pool(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(
        os.environ["RIVAL_DATABASE"], min_size=CONNECTIONS, max_size=CONNECTIONS, init=_speak_json
    ) as pool:
        app.state.pool = pool
        yield


async def _speak_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json.dumps, decoder=json.loads, schema="pg_catalog")


app = FastAPI(lifespan=_with_pool, openapi_url=None)


@app.exception_handler(RefusedError)
async def _refused(request: Request, error: RefusedError) -> Response:
    errors = [{"field": error.field, "code": error.code}] if error.field else []
    body = {"status": error.status, "code": error.code, "errors": errors}
    return Response(json.dumps(body), error.status, media_type="application/problem+json")


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "ok"}


# --- What comes in


def _seemly(text: str, *, multiline: bool = False) -> str:
    if words.refusal(text, multiline=multiline):
        raise ValueError("control or invisible characters")
    return text.strip()


Count = Annotated[int, Field(strict=True, ge=0, le=MAX_COUNT)]
Words = Annotated[str, Field(max_length=300), AfterValidator(_seemly)]
Paragraphs = Annotated[str, Field(max_length=5000), AfterValidator(lambda text: _seemly(text, multiline=True))]


class Submission(BaseModel):
    model_config = ConfigDict(extra="forbid")

    campaign: UUID
    platform: Annotated[str, Field(max_length=32)]
    url: Annotated[str, Field(max_length=MAX_URL_CHARS)]
    claimed_views: Count | None = None
    claimed_clicks: Count | None = None
    claimed_conversions: Count | None = None
    title: Words = ""
    description: Paragraphs = ""
    tracking_link: Annotated[str, Field(max_length=16)] = ""

    @property
    def figures(self) -> tuple[int | None, int | None, int | None]:
        return self.claimed_views, self.claimed_clicks, self.claimed_conversions


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    named = dict(pairs)
    if len(named) < len(pairs):
        raise RefusedError(400, "parse_error")
    return named


def _no_number(text: str) -> float:
    raise RefusedError(400, "parse_error")


def _read(body: bytes) -> Submission:
    if len(body) > BODY_LIMIT_BYTES:
        raise RefusedError(413, "body_too_large")
    try:
        data = json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_no_number)
        if "\0" in str(data):
            raise RefusedError(400, "parse_error")
        return Submission.model_validate(data)
    except ValidationError as error:
        raise RefusedError(400, "invalid", str(error.errors()[0]["loc"])) from error
    except ValueError as error:
        raise RefusedError(400, "parse_error") from error


CALLER = """
    SELECT key.id, key.digest, key.scopes, key.livemode, key.last_used_at, usr.id AS user_id,
        affiliate.id AS affiliate_id, affiliate.name AS affiliate_name, affiliate.is_active
    FROM affiliates_apikey key
    JOIN affiliates_user usr ON usr.id = key.user_id
    JOIN affiliates_affiliate affiliate ON affiliate.user_id = usr.id
    WHERE key.prefix = $1 AND key.revoked_at IS NULL AND usr.is_active
        AND (key.expires_at IS NULL OR key.expires_at > $2)
"""


async def _caller(connection: asyncpg.Connection, request: Request, scopes: set[str]) -> asyncpg.Record:
    """Who calls. Raises RefusedError."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    prefix = keys.prefix_of(text.strip()) if scheme.lower() == "bearer" else None
    now = datetime.now(UTC)
    caller: asyncpg.Record | None = await connection.fetchrow(CALLER, prefix or "", now)
    if caller is None or not keys.matches(text.strip(), caller["digest"]):
        raise RefusedError(401, "authentication_failed")
    if not scopes & set(caller["scopes"]) or not caller["is_active"]:
        raise RefusedError(403, "permission_denied")
    if caller["last_used_at"] is None or caller["last_used_at"] < now - USE_NOTED_EVERY:
        await connection.execute("UPDATE affiliates_apikey SET last_used_at = $1 WHERE id = $2", now, caller["id"])
    return caller


# --- A claim is taken

CAMPAIGN = """
    SELECT campaign.status, campaign.starts_on, campaign.ends_on, campaign.claim_window_days, campaign.is_open,
        advertiser.is_active, advertiser.time_zone, enrolment.status AS enrolment, platform.id AS platform_id,
        EXISTS (
            SELECT FROM campaigns_campaignplatform
            WHERE campaign_id = campaign.id AND platform_id = platform.id AND closed_at IS NULL
        ) AND platform.is_active AS runs
    FROM campaigns_campaign campaign
    JOIN campaigns_advertiser advertiser ON advertiser.id = campaign.advertiser_id
    JOIN platforms_platform platform ON platform.slug = $3
    LEFT JOIN campaigns_enrolment enrolment ON enrolment.campaign_id = campaign.id AND enrolment.affiliate_id = $2
    WHERE campaign.id = $1 AND campaign.livemode = $4
"""
LOCK = "SELECT pg_advisory_xact_lock($1, hashtext($2) & $3)"
CLAIMANTS = """
    SELECT post.id, post.affiliate_id, post.campaign_id, claim.id AS claim_id, claim.claimed_at,
        claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions
    FROM campaigns_post post
    JOIN reconciliation_poststate state ON state.post_id = post.id
    JOIN reconciliation_affiliatereport claim ON claim.id = state.current_claim_id
    WHERE post.platform_id = $1 AND (post.external_id = $2 OR post.api_id = $2)
        AND post.displaced_at IS NULL AND post.merged_into_id IS NULL
"""
LINKS = """
    SELECT id, code FROM campaigns_trackinglink
    WHERE campaign_id = $1 AND affiliate_id = $2 AND platform_id = $3 AND disabled_at IS NULL
"""
ENROL = """
    INSERT INTO campaigns_enrolment (id, created_at, campaign_id, affiliate_id, status)
    VALUES ($1, $2, $3, $4, 'active') ON CONFLICT (campaign_id, affiliate_id) DO UPDATE SET status = 'active'
"""
POST = """
    INSERT INTO campaigns_post (id, created_at, campaign_id, affiliate_id, platform_id, external_id, url, short_url,
        is_identified, author_id, ownership, is_reconciled, tracking_link_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, '', true, '', 'unknown', false, $8)
"""
TEXT = """
    INSERT INTO campaigns_posttext (post_id, title, description, author_handle) VALUES ($1, $2, $3, '')
    ON CONFLICT (post_id) DO UPDATE SET title = EXCLUDED.title, description = EXCLUDED.description
"""
CLAIM = """
    INSERT INTO reconciliation_affiliatereport (id, created_at, post_id, claimed_views, claimed_clicks,
        claimed_conversions, submission_method, claimed_at, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, 'api', $2, $7)
"""
JOB = """
    INSERT INTO reconciliation_job AS job (id, created_at, post_id, connection_id, reason, state, due_at, urgent_at,
        attempts, last_error, request_id)
    SELECT $1, $2, $3, lane.id, 'submission', 'due', $2, $4, 0, '', $5 FROM (
        SELECT id FROM platforms_connection
        WHERE platform_id = $6 AND livemode = $7 AND (affiliate_id IS NULL OR affiliate_id = $8)
            AND state <> 'disconnected'
        ORDER BY affiliate_id NULLS LAST LIMIT 1
    ) AS lane
    ON CONFLICT (post_id) WHERE state IN ('due', 'leased') DO UPDATE SET
        due_at = LEAST(job.due_at, EXCLUDED.due_at),
        urgent_at = LEAST(job.urgent_at, EXCLUDED.urgent_at),
        connection_id = EXCLUDED.connection_id,
        reason = CASE WHEN job.state = 'due' THEN EXCLUDED.reason ELSE job.reason END
    RETURNING connection_id
"""
STATE = """
    INSERT INTO reconciliation_poststate (post_id, campaign_id, platform_id, affiliate_id, is_standing,
        current_claim_id, claimed_at, claimed_on, claimed_views, verdict, currency)
    VALUES ($1, $2, $3, $4, true, $5, $6, $7, $8, 'pending', '')
    ON CONFLICT (post_id) DO UPDATE SET current_claim_id = EXCLUDED.current_claim_id,
        claimed_at = EXCLUDED.claimed_at, claimed_on = EXCLUDED.claimed_on, claimed_views = EXCLUDED.claimed_views,
        current_verdict_id = NULL, verdict = 'pending', views_discrepancy = NULL, views_diff_pct = NULL,
        money_at_risk = NULL, currency = ''
"""
HINT = "INSERT INTO django_q_ormq (key, payload, lock) VALUES ($1, $2, now())"
NOTIFY = "SELECT pg_notify('claimcheck_queue', $1)"
ONCE = """
    SELECT saved.digest, saved.status, saved.body, pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS is_ours
    FROM (SELECT) AS one LEFT JOIN affiliates_idempotencykey AS saved
        ON saved.user_id = $2 AND saved.livemode = $3 AND saved.key = $4
"""
KEEP = """
    INSERT INTO affiliates_idempotencykey (id, created_at, user_id, livemode, key, digest, status, location, body)
    VALUES ($1, $2, $3, $4, $5, $6, $7, '', $8)
"""


@app.post("/api/v1/submissions/")
async def submit(request: Request) -> Response:
    body = await request.body()
    pool: asyncpg.Pool = request.app.state.pool
    once = request.headers.get("idempotency-key")
    request_id = request.headers.get("x-request-id") or uuid7().hex
    async with pool.acquire() as connection, connection.transaction():
        caller = await _caller(connection, request, {"submit"})
        given = _read(body)
        digest = hashlib.sha256(body).hexdigest()
        owner = caller["user_id"], caller["livemode"]
        if once:
            kept = await connection.fetchrow(ONCE, f"idempotency {owner} {once}", *owner, once)
            if kept["digest"]:
                if kept["digest"] != digest:
                    raise RefusedError(422, "key_reused")
                return _json(kept["body"], kept["status"], {"Idempotent-Replayed": "true"})
            if not kept["is_ours"]:
                raise RefusedError(409, "key_in_use")
        status, answer = await _take(connection, caller, given, request_id, str(request.base_url))
        told = _encoded(answer)
        if once:
            await connection.execute(KEEP, uuid7(), datetime.now(UTC), *owner, once, digest, status, told)
    return _json(told, status, {"X-Request-ID": request_id})


def _encoded(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False).encode()


def _json(body: bytes, status: int, headers: dict[str, str]) -> Response:
    return Response(body, status, headers, media_type="application/json")


async def _take(
    connection: asyncpg.Connection, caller: asyncpg.Record, given: Submission, request_id: str, base_url: str
) -> tuple[int, dict[str, Any]]:
    affiliate = caller["affiliate_id"]
    link = identify(given.url)
    if not isinstance(link, PostLink) or link.platform != given.platform:
        raise RefusedError(400, "not_a_post", "url")
    campaign = await connection.fetchrow(CAMPAIGN, given.campaign, affiliate, given.platform, caller["livemode"])
    if campaign is None:
        raise RefusedError(400, "not_found", "campaign")
    platform = campaign["platform_id"]
    await connection.execute(LOCK, CONTENT_LOCK, f"{given.platform} {link.external_id}", CONTENT_LOCKS - 1)
    _check(campaign, given)
    claimants = await connection.fetch(CLAIMANTS, platform, link.external_id)
    mine = [row for row in claimants if (row["affiliate_id"], row["campaign_id"]) == (affiliate, given.campaign)]
    if claimants and not mine:
        raise RefusedError(409, "second_claimant")
    now = datetime.now(UTC)
    if mine and tuple(mine[0][f"claimed_{name}"] for name in ("views", "clicks", "conversions")) == given.figures:
        claim, claimed_at = mine[0]["claim_id"], mine[0]["claimed_at"]
        return 200, _accepted(base_url, mine[0]["id"], link.canonical_url, given, "unchanged", claim, claimed_at)
    post = mine[0]["id"] if mine else uuid7()
    if not mine:
        links = await connection.fetch(LINKS, given.campaign, affiliate, platform)
        if campaign["enrolment"] != "active":
            await connection.execute(ENROL, uuid7(), now, given.campaign, affiliate)
        bound = links[0]["id"] if len(links) == 1 else None
        named = link.external_id, link.canonical_url
        await connection.execute(POST, post, now, given.campaign, affiliate, platform, *named, bound)
    if given.title or given.description:
        await connection.execute(TEXT, post, given.title, given.description)
    claim = uuid7()
    await connection.execute(CLAIM, claim, now, post, *given.figures, request_id)
    looked_for = platform, caller["livemode"], affiliate
    lane = await connection.fetchval(JOB, uuid7(), now, post, now - HEAD_START, request_id, *looked_for)
    place = given.campaign, platform, affiliate
    day = now.astimezone(ZoneInfo(campaign["time_zone"])).date()
    await connection.execute(STATE, post, *place, claim, now, day, given.claimed_views)
    await _hint(connection, "reconciliation.tasks.drain_lane", str(lane))
    outcome = "new_claim" if mine else "new_post"
    return 202, _accepted(base_url, post, link.canonical_url, given, outcome, claim, now)


def _check(campaign: asyncpg.Record, given: Submission) -> None:
    today = datetime.now(ZoneInfo(campaign["time_zone"])).date()
    until = campaign["ends_on"] + timedelta(days=campaign["claim_window_days"])
    runs = campaign["status"] in ("active", "completed") and campaign["starts_on"] <= today <= until
    if not (runs and campaign["is_active"]):
        raise RefusedError(400, "campaign_takes_no_claims", "campaign")
    joined = campaign["enrolment"]
    if joined not in ("active", "invited") and not (joined is None and campaign["is_open"]):
        raise RefusedError(400, "not_enrolled", "campaign")
    if not campaign["runs"]:
        raise RefusedError(400, "platform_not_assigned", "platform")
    if given.figures == (None, None, None):
        raise RefusedError(400, "nothing_claimed", "claimed_views")


async def _hint(connection: asyncpg.Connection, name: str, *args: str) -> None:
    """Queue a task, and wake whoever hands tasks out, at most once in GAP_S for tasks alike."""
    key = f"claimcheck:{hashlib.blake2s(repr((name, args, {})).encode(), digest_size=16).hexdigest()}"
    await connection.execute(HINT, key, _task(name, *args))
    if _notified_at.get(key, 0.0) < time.monotonic() - GAP_S:
        _notified_at[key] = time.monotonic()
        await connection.execute(NOTIFY, key)


def _task(name: str, *args: str) -> str:
    """What the queue takes: a pickled task with its signature."""
    task = {"id": uuid7().hex, "name": "rival", "func": name, "args": args, "kwargs": {}, "started": datetime.now(UTC)}
    payload = base64.urlsafe_b64encode(pickle.dumps(task))
    signature = base64.urlsafe_b64encode(hmac.digest(QUEUE_SECRET, payload, "sha256"))
    return f"{payload.decode()}:{signature.decode()}"


def _accepted(
    base_url: str, post: UUID, url: str, given: Submission, outcome: str, claim: UUID, claimed_at: datetime
) -> dict[str, Any]:
    there = f"{base_url}api/v1/submissions/{post}"
    return {
        "id": str(post),
        "url": url,
        "platform": given.platform,
        "outcome": outcome,
        "claim": {
            "id": str(claim),
            "claimed_views": given.claimed_views,
            "claimed_clicks": given.claimed_clicks,
            "claimed_conversions": given.claimed_conversions,
            "submission_method": "api",
            "claimed_at": _moment(claimed_at),
        },
        "links": {"self": there, "metrics": f"{there}/metrics"},
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")


# --- A list of claims

HISTORY = """
    SELECT claim.id, claim.claimed_views, claim.claimed_clicks, claim.claimed_conversions, claim.submission_method,
        claim.claimed_at, post.id AS post_id, post.url, platform.slug AS platform, campaign.id AS campaign_id,
        campaign.campaign_name, affiliate.id AS affiliate_id, affiliate.name AS affiliate_name,
        withdrawal.created_at AS withdrawn_at, withdrawal.is_unseen
    FROM reconciliation_affiliatereport claim
    JOIN campaigns_post post ON post.id = claim.post_id
    JOIN platforms_platform platform ON platform.id = post.platform_id
    JOIN campaigns_campaign campaign ON campaign.id = post.campaign_id
    JOIN affiliates_affiliate affiliate ON affiliate.id = post.affiliate_id
    LEFT JOIN reconciliation_claimwithdrawal withdrawal ON withdrawal.claim_id = claim.id
    WHERE post.affiliate_id = $1 AND campaign.livemode = $2 AND ($3::uuid IS NULL OR claim.id < $3)
    ORDER BY claim.id DESC LIMIT $4
"""
VERDICTS = """
    SELECT verdict.*, truth.views, truth.clicks, truth.conversions, truth.provenance, truth.definitions,
        truth.fetched_at, truth.posted_at, (
            SELECT to_jsonb(decision) FROM reconciliation_override decision
            WHERE decision.verdict_id = verdict.id ORDER BY number DESC LIMIT 1
        ) AS decision
    FROM reconciliation_reconciliationlog verdict
    JOIN reconciliation_platformreport truth ON truth.id = verdict.platform_report_id
    WHERE verdict.affiliate_report_id = ANY($1) ORDER BY verdict.processed_at DESC, verdict.id DESC
"""


@app.get("/api/v1/submissions/history/")
async def history(request: Request, cursor: str = "", page_size: int = PAGE_SIZE) -> Response:
    """An affiliate's claims, newest first, with the verdicts on them."""
    before = UUID(base64.b64decode(cursor).decode().removeprefix("p=")) if cursor else None
    pool: asyncpg.Pool = request.app.state.pool
    async with pool.acquire() as connection:
        caller = await _caller(connection, request, {"submit", "read"})
        claims = await connection.fetch(HISTORY, caller["affiliate_id"], caller["livemode"], before, page_size + 1)
        page = claims[:page_size]
        rows = await connection.fetch(VERDICTS, [claim["id"] for claim in page])
    verdicts: dict[UUID, list[asyncpg.Record]] = {}
    for row in rows:
        verdicts.setdefault(row["affiliate_report_id"], []).append(row)
    following = None
    if len(claims) > page_size:
        position = base64.b64encode(f"p={page[-1]['id']}".encode()).decode()
        asked = f"&page_size={page_size}" if "page_size" in request.query_params else ""
        following = f"{request.base_url}{request.url.path[1:]}?cursor={quote(position)}{asked}"
    results = [_claim(claim, verdicts.get(claim["id"], [])) for claim in page]
    return _json(_encoded({"next": following, "previous": None, "results": results}), 200, {})


def _claim(claim: asyncpg.Record, verdicts: list[asyncpg.Record]) -> dict[str, Any]:
    return {
        "id": str(claim["id"]),
        "claimed_views": claim["claimed_views"],
        "claimed_clicks": claim["claimed_clicks"],
        "claimed_conversions": claim["claimed_conversions"],
        "submission_method": claim["submission_method"],
        "claimed_at": _moment(claim["claimed_at"]),
        "status": _status(claim, verdicts),
        "withdrawn_at": _moment(claim["withdrawn_at"]),
        "verdicts": [_verdict(claim, verdict) for verdict in verdicts],
        "post": {"id": str(claim["post_id"]), "url": claim["url"], "platform": claim["platform"]},
        "campaign": {"id": str(claim["campaign_id"]), "name": claim["campaign_name"]},
        "affiliate": {"id": str(claim["affiliate_id"]), "name": claim["affiliate_name"]},
    }


def _status(claim: asyncpg.Record, verdicts: list[asyncpg.Record]) -> str:
    if claim["is_unseen"]:
        return "WITHDRAWN"
    return (verdicts[0]["decision"] or verdicts[0])["status"] if verdicts else "PENDING"


def _verdict(claim: asyncpg.Record, verdict: asyncpg.Record) -> dict[str, Any]:
    return {
        "id": str(verdict["id"]),
        "status": verdict["status"],
        "discrepancy_level": verdict["discrepancy_level"],
        "counted": verdict["next_look_at"] is None,
        "explanation": verdict["explanation"],
        "metrics": {name: _metric(name, claim, verdict) for name in ("views", "clicks", "conversions")},
        "confidence": _digits(verdict["confidence"]),
        "trust_effect": verdict["trust_effect"],
        "override": verdict["decision"],
        "next_look_at": _moment(verdict["next_look_at"]),
        "fetched_at": _moment(verdict["fetched_at"]),
        "processed_at": _moment(verdict["processed_at"]),
    }


def _metric(name: str, claim: asyncpg.Record, verdict: asyncpg.Record) -> dict[str, Any]:
    claimed, difference = claim[f"claimed_{name}"], verdict[f"{name}_discrepancy"]
    return {
        "claimed": claimed,
        "truth": verdict[name] if difference is None else claimed - difference,
        "difference": difference,
        "percentage": _digits(verdict[f"{name}_diff_pct"]),
        "provenance": verdict["provenance"].get(name),
        "definition": verdict["definitions"].get(name),
        "gap": _gap(name, claim, verdict) if difference and difference > 0 else None,
    }


def _gap(name: str, claim: asyncpg.Record, verdict: asyncpg.Record) -> dict[str, int] | None:
    times = claim["claimed_at"], verdict["fetched_at"], verdict["posted_at"]
    gap = Look(claim["platform"], *times, verdict["terms"]).gap(
        name, claim[f"claimed_{name}"], verdict[f"{name}_discrepancy"]
    )
    return asdict(gap) if gap else None


def _digits(number: Decimal | None) -> str | None:
    return None if number is None else f"{number:f}"
