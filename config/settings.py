"""Every setting, read from the environment top to bottom: each has a safe default or fails loudly at start."""

import secrets
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF

from config import embedded, logs

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"

env = environ.Env()
environ.Env.read_env(BASE_DIR / ".env")


def _local_secret_key() -> str:
    """A key of this checkout's own, made once and kept under var/, for everybody who sets none."""
    path = VAR_DIR / "secret_key"
    if not path.exists():
        VAR_DIR.mkdir(mode=0o755, exist_ok=True)
        fresh = path.with_name(f"secret_key.{secrets.token_hex(4)}")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_urlsafe(50))
        try:
            path.hardlink_to(fresh)  # only one of several processes that start at once wins
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text()


# --- The site -------------------------------------------------------------------------------------------------------
DEBUG = env.bool("DEBUG", default=False)
SECRET_KEY = env.str("SECRET_KEY", default="") or _local_secret_key()
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
    "config.api.length.LengthRequiredMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
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
    DATABASES = {"default": env.db_url("DATABASE_URL", engine="django.db.backends.postgresql")}
else:
    DATABASES = {"default": embedded.database_settings(VAR_DIR)}
DATABASES["default"] |= {
    "CONN_MAX_AGE": env.int("DATABASE_CONN_MAX_AGE_S", default=60),
    "CONN_HEALTH_CHECKS": True,
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Queue ----------------------------------------------------------------------------------------------------------
# Our job rows are the record and carry attempts and backoff; the queue is a hint that wakes a worker.
_WORKERS = env.int("WORKER_PROCESSES", default=3)
_TASK_TIMEOUT_S = 30
Q_CLUSTER = {
    "name": "claimcheck",
    "orm": "default",
    "workers": _WORKERS,
    "queue_limit": _WORKERS,
    "bulk": 1,
    "poll": 0.05,
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
    "reconciliation.tasks.drain_lane",
    "reconciliation.tasks.sweep",
    "alerts.tasks.evaluate_verdicts",
    "alerts.tasks.evaluate_refused_claim",
    "alerts.tasks.sweep",
)
"""Every dotted name that may be queued; a test resolves each of them."""

# --- Platforms ------------------------------------------------------------------------------------------------------
PLATFORMS_LIVE = env.bool("PLATFORMS_LIVE", default=False)
SANDBOX_URL = env.str("SANDBOX_URL", default="http://127.0.0.1:8900").rstrip("/")


def _base_url(name: str, live: str) -> str:
    """The variable `name` where it is set; else the real host when live, else the sandbox, which has the same paths."""
    return env.str(name, default="") or (live if PLATFORMS_LIVE else _in_sandbox(live))


def _in_sandbox(address: str) -> str:
    return SANDBOX_URL + urlsplit(address).path


def _credential(name: str) -> str:
    """The variable `name`; the sandbox accepts anything that is not empty."""
    return env.str(name, default="" if PLATFORMS_LIVE else "sandbox")


PLATFORMS: dict[str, dict[str, Any]] = {
    "youtube": {
        "base_url": _base_url("YOUTUBE_BASE_URL", "https://www.googleapis.com"),
        "credentials": {"api_key": _credential("YOUTUBE_API_KEY")},
    },
    "reddit": {
        "base_url": _base_url("REDDIT_BASE_URL", "https://oauth.reddit.com"),
        "token_url": _base_url("REDDIT_TOKEN_URL", "https://www.reddit.com/api/v1/access_token"),
        "credentials": {
            "client_id": _credential("REDDIT_CLIENT_ID"),
            "client_secret": _credential("REDDIT_CLIENT_SECRET"),
        },
    },
    "x": {
        "base_url": _base_url("X_BASE_URL", "https://api.x.com"),
        "credentials": {"bearer_token": _credential("X_BEARER_TOKEN")},
    },
}

# What is claimed in test mode is always read from the sandbox, with credentials that open nothing else.
PLATFORMS_TEST = {
    slug: {name: _in_sandbox(value) for name, value in platform.items() if isinstance(value, str)}
    | {"credentials": dict.fromkeys(platform["credentials"], "sandbox")}
    for slug, platform in PLATFORMS.items()
}

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

# --- API ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "affiliates.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["affiliates.api.permissions.HasScope"],
    "DEFAULT_PARSER_CLASSES": ["config.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PAGINATION_CLASS": "config.api.pagination.CursorPage",
    "DEFAULT_FILTER_BACKENDS": ["config.api.filters.StrictFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "config.api.schema.ApiSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "config.api.problems.exception_handler",
    "DEFAULT_THROTTLE_CLASSES": ["config.api.throttling.CallerThrottle"],
    "DEFAULT_THROTTLE_RATES": {
        "caller": env.str("THROTTLE_CALLER", default="600/min"),
        "signup": env.str("THROTTLE_SIGNUP", default="20/hour"),
    },
    "NUM_PROXIES": env.int("NUM_PROXIES", default=0),
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
        "VerdictStatus": "reconciliation.comparison.Status",
        "ClaimStatus": "reconciliation.api.serializers.CLAIM_STATUSES",
    },
}
REQUEST_BODY_LIMIT_BYTES = 256 * 1024
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024

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
