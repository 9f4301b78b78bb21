"""Every setting, read from the environment top to bottom: each has a safe default or fails loudly at start."""

import base64
import re
import secrets
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

from config import embedded, logs

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def _local_secret(name: str, make: Callable[[], str]) -> str:
    """A key of this checkout's own, made once and kept under var/, for everybody who sets none.

    Empty where var/ can't be written or read: much of what is run needs no key, and must start all the same.
    """
    path = VAR_DIR / name
    try:
        if not path.exists():
            VAR_DIR.mkdir(mode=0o755, exist_ok=True)
            _make_once(path, make)
        return path.read_text()
    except OSError:
        return ""


def _make_once(path: Path, make: Callable[[], str]) -> None:
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        fresh.touch(mode=0o600)
        fresh.write_text(make())
        path.hardlink_to(fresh)  # only one of several processes that start at once wins
    except FileExistsError:
        pass
    finally:
        fresh.unlink(missing_ok=True)


def _new_fernet_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


# --- The site -------------------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or _local_secret("secret_key", lambda: secrets.token_urlsafe(50))
SECRET_KEY_IS_KEPT = bool(SECRET_KEY)
"""Whether another process has the same; otherwise a system check warns whoever serves with it."""
SECRET_KEY = SECRET_KEY or secrets.token_urlsafe(50)
ENCRYPTION_KEYS = list(
    filter(None, env.list("ENCRYPTION_KEYS", default=[]) or [_local_secret("encryption_key", _new_fernet_key)])
)
"""What locks other people's tokens at rest, the newest first; the older ones still open what they locked. Empty where
none is set or could be kept: then nothing can be locked, which is better than to lock it with a key that is lost."""
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
CSRF_TRUSTED_ORIGINS = env.list("CSRF_TRUSTED_ORIGINS", default=[])
OPEN_SIGNUP = env.bool("OPEN_SIGNUP", default=False)
"""Whether anybody may sign up as an affiliate; otherwise an invitation or staff is needed."""

INSTALLED_APPS = [
    "config",
    "affiliates",
    "platforms",
    "campaigns",
    "reconciliation",
    "alerts",
    "config.admin_site.StaffSiteConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "django_filters",
    "django_htmx",
    "django_q",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "csp",
]
MIDDLEWARE = [
    "config.middleware.RequestIdMiddleware",
    "config.middleware.ShortWayMiddleware",
    "config.api.length.LengthRequiredMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "config.middleware.ModeMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
APPEND_SLASH = False  # API paths answer with and without a slash; a redirect would lose a POST's body.
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Database -------------------------------------------------------------------------------------------------------
# The web keeps its connections between requests; forked workers must not share a native pool's sockets.
if env.str("DATABASE_URL", default=""):
    DATABASES = {"default": env.db_url("DATABASE_URL", engine="config.postgresql")}
else:
    DATABASES = {"default": embedded.database_settings(VAR_DIR)}
DATABASES["default"] |= {
    "CONN_MAX_AGE": env.int("DATABASE_CONN_MAX_AGE_S", default=60),
    "CONN_HEALTH_CHECKS": True,
    # A statement that a connection has asked a few times is planned once and then only run.
    "OPTIONS": DATABASES["default"].get("OPTIONS", {})
    | {"server_side_binding": True, "prepare_threshold": 3 if env.bool("DATABASE_PREPARE", default=True) else None},
}
DATABASE_DIRECT_URL = env.str("DATABASE_DIRECT_URL", default="")
"""The same database past a pooler, for the connection that listens: a pooler delivers no notifications."""
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Queue ----------------------------------------------------------------------------------------------------------
# Our job rows are the record and carry attempts and backoff; the queue is a hint that wakes a worker.
_WORKERS = env.int("WORKER_PROCESSES", default=3)
_TASK_TIMEOUT_S = 30
Q_CLUSTER: dict[str, Any] = {
    "name": "claimcheck",
    "orm": "default",
    "broker_class": "config.broker.Broker",
    "workers": _WORKERS,
    "queue_limit": _WORKERS,
    "bulk": 1,
    "poll": 0.05,  # where no notification can be had; else one is waited for
    "timeout": _TASK_TIMEOUT_S,
    "retry": 120,  # ≥ timeout × (queue_limit / workers + 1) + 30, or a waiting task would run twice
    "max_attempts": 5,
    "save_limit": -1,
    "catch_up": False,
    "recycle": 1_000_000_000,  # the watchdog takes every vanished process for a death, and watches memory itself
    "daemonize_workers": True,
    "label": "Queue",
}
TASKS = (
    "affiliates.tasks.forget_expired_sessions",
    "affiliates.tasks.forget_idempotency_keys",
    "platforms.tasks.renew_connections",
    "platforms.tasks.check_account",
    "platforms.tasks.check_waiting_accounts",
    "campaigns.tasks.forget_click_salts",
    "reconciliation.tasks.look_again",
    "reconciliation.tasks.look_at_link",
    "reconciliation.tasks.plan_anew",
    "reconciliation.tasks.drain_lane",
    "reconciliation.tasks.examine",
    "reconciliation.tasks.sweep",
    "reconciliation.tasks.tell_discord",
    "reconciliation.tasks.work_on_import",
    "reconciliation.tasks.merge_twins",
    "reconciliation.tasks.sweep_twins",
    "reconciliation.tasks.seal",
    "alerts.tasks.evaluate_verdicts",
    "alerts.tasks.evaluate_refused_claim",
    "alerts.tasks.follow_decisions",
    "alerts.tasks.sweep",
)
"""Every dotted name that may be queued; a test resolves each of them."""

# --- Platforms ------------------------------------------------------------------------------------------------------
PLATFORMS_LIVE = env.bool("PLATFORMS_LIVE", default=False)
SANDBOX_PUBLIC_KEY = "f1f1b9ef669c5ab4c9ba2c499571e393b695f8d58d5cd452cc9088c71f9b0e8b"
"""Of the key with which the sandbox signs what it sends as Discord."""
SANDBOX_URL = env.str("SANDBOX_URL", default="http://127.0.0.1:8900").rstrip("/")


def _address(name: str, live: str, prefix: str = "", *, test: bool) -> str:
    in_sandbox = f"{SANDBOX_URL}{prefix}{urlsplit(live).path}"
    if test:
        return in_sandbox
    return env.str(name, default="").strip() or (live if PLATFORMS_LIVE else in_sandbox)


def _secret(name: str, *, addresses: Sequence[str] = (), test: bool) -> str:
    """A credential as it is set, without the blanks that copying leaves around it.

    The sandbox takes any, so there is a default for it; a server that somebody named in one of `addresses` gets none.
    """
    is_elsewhere = PLATFORMS_LIVE or any(env.str(each, default="").strip() for each in addresses)
    return "sandbox" if test else env.str(name, default="" if is_elsewhere else "sandbox").strip()


def _platforms(*, test: bool) -> dict[str, dict[str, Any]]:
    """Where each platform's API is, and with what we speak to it. A variable that is set wins; else it is the real host
    when live, else the sandbox, which has the same paths, behind a prefix where two platforms live on one host. Only
    where it is the sandbox does a credential that isn't set have a value.

    What is claimed in test mode is always read from the sandbox, with credentials that open nothing else.
    """
    url, secret = partial(_address, test=test), partial(_secret, test=test)
    return {
        "youtube": {
            "base_url": url("YOUTUBE_BASE_URL", "https://www.googleapis.com"),
            "version": env.str("YOUTUBE_API_VERSION", default="v3"),
            "credentials": {"api_key": secret("YOUTUBE_API_KEY", addresses=["YOUTUBE_BASE_URL"])},
        },
        "reddit": {
            "base_url": url("REDDIT_BASE_URL", "https://oauth.reddit.com"),
            "token_url": url("REDDIT_TOKEN_URL", "https://www.reddit.com/api/v1/access_token"),
            "user_agent": env.str("REDDIT_USER_AGENT", default="web:claimcheck:0.1.0 (by /u/claimcheck)"),
            "credentials": {
                name: secret(f"REDDIT_{name}".upper(), addresses=["REDDIT_BASE_URL", "REDDIT_TOKEN_URL"])
                for name in ("client_id", "client_secret")
            },
        },
        "x": {
            "base_url": url("X_BASE_URL", "https://api.x.com"),
            "version": env.str("X_API_VERSION", default="2"),
            "credentials": {"bearer_token": secret("X_BEARER_TOKEN", addresses=["X_BASE_URL"])},
        },
        "tiktok": {  # its videos are read with their owners' tokens only
            "base_url": url("TIKTOK_BASE_URL", "https://open.tiktokapis.com"),
            "version": env.str("TIKTOK_API_VERSION", default="v2"),
            "credentials": {},
        },
        "instagram": {
            "base_url": url("INSTAGRAM_BASE_URL", "https://graph.facebook.com", "/instagram"),
            "owner_base_url": url("INSTAGRAM_OWNER_BASE_URL", "https://graph.instagram.com", "/instagram"),
            "version": env.str("INSTAGRAM_API_VERSION", default="v26.0"),
            "business_id": env.str("INSTAGRAM_BUSINESS_ID", default=""),  # our own account, which looks others up
            "credentials": {"access_token": secret("INSTAGRAM_ACCESS_TOKEN", addresses=["INSTAGRAM_BASE_URL"])},
        },
        "facebook": {
            "base_url": url("FACEBOOK_BASE_URL", "https://graph.facebook.com", "/facebook"),
            "version": env.str("FACEBOOK_API_VERSION", default="v26.0"),
            "credentials": {"access_token": secret("META_ACCESS_TOKEN", addresses=["FACEBOOK_BASE_URL"])},
        },
    }


PLATFORMS = _platforms(test=False)
PLATFORMS_TEST = _platforms(test=True)

LINK_RESOLVER_BASE_URL = (
    env.str("LINK_RESOLVER_BASE_URL", default="") or ("" if PLATFORMS_LIVE else f"{SANDBOX_URL}/__links__")
).rstrip("/")
"""Where short links are asked for, their host as the first part of the path; empty asks the real hosts."""
LINK_RESOLVER_TEST_BASE_URL = f"{SANDBOX_URL}/__links__"
"""The same in test mode: always the sandbox."""

# Where affiliates connect their own accounts, by OAuth. Each address has a variable: TIKTOK_AUTHORIZE_URL, …
_OAUTH_URLS = {
    "tiktok": {
        "authorize_url": "https://www.tiktok.com/v2/auth/authorize/",
        "token_url": "https://open.tiktokapis.com/v2/oauth/token/",
        "revoke_url": "https://open.tiktokapis.com/v2/oauth/revoke/",
    },
    "instagram": {
        "authorize_url": "https://www.instagram.com/oauth/authorize",
        "token_url": "https://api.instagram.com/oauth/access_token",
        "graph_url": "https://graph.instagram.com",
    },
    "facebook": {
        "authorize_url": "https://www.facebook.com/v26.0/dialog/oauth",
        "graph_url": "https://graph.facebook.com/v26.0",
    },
    "x": {
        "authorize_url": "https://x.com/i/oauth2/authorize",
        "token_url": "https://api.x.com/2/oauth2/token",
        "revoke_url": "https://api.x.com/2/oauth2/revoke",
    },
    "youtube": {
        "authorize_url": "https://accounts.google.com/o/oauth2/v2/auth",
        "token_url": "https://oauth2.googleapis.com/token",
        "revoke_url": "https://oauth2.googleapis.com/revoke",
    },
}
_OAUTH_CLIENTS = {
    "tiktok": ("TIKTOK_CLIENT_KEY", "TIKTOK_CLIENT_SECRET"),
    "instagram": ("INSTAGRAM_APP_ID", "INSTAGRAM_APP_SECRET"),
    "facebook": ("META_APP_ID", "META_APP_SECRET"),
    "x": ("X_CLIENT_ID", "X_CLIENT_SECRET"),
    "youtube": ("GOOGLE_CLIENT_ID", "GOOGLE_CLIENT_SECRET"),
}


def _oauth(*, test: bool) -> dict[str, dict[str, str]]:
    """Where each platform authorises and as which application we ask; one without a client id can't be connected so."""
    prefixes = {"instagram": "/instagram", "facebook": "/facebook"}
    return {
        slug: {
            name: _address(f"{slug}_{name}".upper(), live, prefixes.get(slug, ""), test=test)
            for name, live in _OAUTH_URLS[slug].items()
        }
        | {"client_id": _secret(client_id, test=test), "client_secret": _secret(client_secret, test=test)}
        for slug, (client_id, client_secret) in _OAUTH_CLIENTS.items()
    }


OAUTH = _oauth(test=False)
OAUTH_TEST = _oauth(test=True)

# --- Looking again --------------------------------------------------------------------------------------------------
RECHECK_PLAN = env.str("RECHECK_PLAN", default="1h 6h 24h 72h 7d daily")
"""When posts are looked at again after a claim, where their campaign has no plan of its own: see `campaigns.plans`."""

# --- Tracking links -------------------------------------------------------------------------------------------------
CLICK_FLOOD_PER_MIN = env.int("CLICK_FLOOD_PER_MIN", default=600)
"""Visitors of one network (/24, /64) that one link counts in a minute; the others are set apart as a flood."""

# --- Discord ----------------------------------------------------------------------------------------------------------
# Affiliates on Discord: as which application we answer, and the public key of Discord's signatures on what it sends us.
DISCORD_APPLICATION_ID = _secret("DISCORD_APPLICATION_ID", test=False)
DISCORD_PUBLIC_KEY = env.str("DISCORD_PUBLIC_KEY", default="" if PLATFORMS_LIVE else SANDBOX_PUBLIC_KEY)
DISCORD_BOT_TOKEN = _secret("DISCORD_BOT_TOKEN", test=False)
DISCORD_BASE_URL = _address("DISCORD_BASE_URL", "https://discord.com/api/v10", "/discord", test=False).rstrip("/")
if DISCORD_PUBLIC_KEY and not re.fullmatch("[0-9a-fA-F]{64}", DISCORD_PUBLIC_KEY):
    raise ImproperlyConfigured("DISCORD_PUBLIC_KEY is not the public key of a Discord application: 64 hex digits.")

# --- People ---------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "affiliates.User"
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SECURE_COOKIES = env.bool("SECURE_COOKIES", default=False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_COOKIES
if env.bool("BEHIND_HTTPS_PROXY", default=False):
    # The proxy must set this header itself and drop what a caller sends.
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}

NUM_PROXIES = env.int("NUM_PROXIES", default=0)
"""Proxies in front of us: so many addresses at the end of X-Forwarded-For are believed."""

# --- API ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "affiliates.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["affiliates.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["config.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["config.api.renderers.FastJSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "config.api.pagination.CursorPage",
    "DEFAULT_FILTER_BACKENDS": ["config.api.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "config.api.problems.exception_handler",
    "DEFAULT_THROTTLE_CLASSES": ["config.api.throttling.CallerThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "caller": env.str("THROTTLE_CALLER", default="600/min"),
        "export": env.str("THROTTLE_EXPORT", default="60/hour"),
        "signup": env.str("THROTTLE_SIGNUP", default="20/hour"),
    },
    "NUM_PROXIES": NUM_PROXIES,
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Claimcheck API",
    "DESCRIPTION": "Claims in, verdicts out: is the claimed performance of this post true, and what is it worth?",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "CampaignStatus": "campaigns.models.Campaign.Status",
        "AlertStatus": "alerts.models.Alert.Status",
        "ConnectionState": "platforms.models.Connection.State",
        "ConnectionMethod": "platforms.models.Connection.Method",
        "AccountState": "platforms.models.Account.State",
        "VerdictStatus": "reconciliation.comparison.Status",
        "Level": "reconciliation.rules.Level",
        "ClaimStatus": "reconciliation.api.serializers.CLAIM_STATUSES",
        "RunState": "reconciliation.api.serializers.RUN_STATES",
        "DecisionReason": "reconciliation.outcomes.REASON_CODES",
        "DecisionReasonOfPeople": "reconciliation.outcomes.PEOPLES_CODES",
        "WithdrawalReason": "reconciliation.models.ClaimWithdrawal.Reason",
        "Health": "reconciliation.api.platforms.HEALTH_WORDS",
    },
}
REQUEST_BODY_LIMIT_BYTES = 256 * 1024
BULK_BODY_LIMIT_BYTES = 4 * 1024 * 1024
"""Room for 500 claims with all that may be said of each."""
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
MAX_UPLOAD_MB = env.int("MAX_UPLOAD_MB", default=32)
UPLOAD_SCANNER = env.str("UPLOAD_SCANNER", default="")
"""The dotted name of what every uploaded file is handed to; see config/tables/scanning.py."""

# --- Shared cache (throttles); REDIS_URL when several machines serve the web -----------------------------------------
CACHES = {
    "default": env.cache_url("REDIS_URL")
    if env.str("REDIS_URL", default="")
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}

# --- Words, numbers, files ------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False
STATIC_URL = "/static/"
STATIC_ROOT = env.str("STATIC_ROOT", default="") or None
"""Where `collectstatic` has put the files; unset, they are served from where they lie."""
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = STATIC_ROOT is None

LOGGING = logs.logging_settings(level=env.str("LOG_LEVEL", default="INFO"))
LOGGING_CONFIG = "config.logs.configure"
