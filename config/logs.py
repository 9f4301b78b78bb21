"""Logs: one JSON object a line on standard error, with the request id that follows a request into its jobs."""

import logging.config
from typing import Any

import structlog

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def logging_settings(*, level: str) -> dict[str, Any]:
    """The `LOGGING` dictionary: everything, Django's and the libraries' lines too, goes through one JSON formatter."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": "structlog.stdlib.ProcessorFormatter",
                "processors": [
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
                "foreign_pre_chain": _SHARED,
            }
        },
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            "httpx": {"level": "WARNING"},  # its INFO line prints whole URLs, tokens included
            "httpcore": {"level": "WARNING"},
            "django.server": {"handlers": ["stderr"], "propagate": False},
            "django-q": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        },
    }


def configure(settings: dict[str, Any]) -> None:
    """Django's `LOGGING_CONFIG` hook: standard logging, then structlog on top of it."""
    logging.config.dictConfig(settings)
    structlog.configure(
        processors=[
            *_SHARED[:1],
            structlog.stdlib.filter_by_level,
            *_SHARED[1:],
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
