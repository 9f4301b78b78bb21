"""What staff may set for a platform: how far its figures lag behind, its call budget, its breaker, and the
application's own credentials. This is the one place that says what `Platform.config` may hold.

Where we call to is no setting of a platform's: hosts come from the environment alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings as site
from django.db import transaction

from affiliates.models import User
from affiliates.services import audit
from config import vault
from config.vault import VaultError
from platforms.adapters.base import is_token
from platforms.breaker import LONGEST_OPEN_S
from platforms.errors import SettingRefusedError
from platforms.metrics import Metric
from platforms.models import Connection, Platform
from platforms.services.lanes import resume_connection

LONGEST_LAG_H = 60 * 24
MAX_CREDENTIAL_CHARS = 4_000


@dataclass(frozen=True, slots=True)
class Setting:
    """A figure that `Platform.config` may hold: a whole number from `least` to `most`."""

    name: str
    least: int
    most: int
    meaning: str

    @property
    def bounds(self) -> str:
        """What it takes, as a sentence."""
        return f"A whole number from {self.least:,} to {self.most:,}."


SETTINGS = {
    setting.name: setting
    for setting in (
        Setting("views_lag_h", 0, LONGEST_LAG_H, "hours that counted views may lag behind"),
        Setting("rate_calls", 1, 1_000_000, "calls that a connection may make in a window"),
        Setting("rate_window_s", 1, 86_400, "seconds of that window"),
        Setting("daily_quota", 1, 10**9, "units that a connection may spend in a day; by default as many as it likes"),
        Setting("breaker_failures", 1, 1_000, "calls in a row that come to nothing and open the breaker"),
        Setting("breaker_open_s", 1, LONGEST_OPEN_S, "seconds it stays open the first time"),
        Setting("breaker_open_max_s", 1, LONGEST_OPEN_S, "seconds it stays open at most, as each time doubles"),
    )
}
"""What may be set, by name. A setting that is not set has the default of its platform."""


def figures(platform: Platform) -> dict[str, int | None]:
    """What holds for a platform, set or not; None: without end."""
    budget, limits = platform.budget, platform.breaker_limits
    return {
        "views_lag_h": platform.lags()[Metric.VIEWS].hours,
        "rate_calls": budget.rate_calls,
        "rate_window_s": budget.rate_window_s,
        "daily_quota": budget.daily_quota,
        "breaker_failures": limits.failures,
        "breaker_open_s": limits.open_s,
        "breaker_open_max_s": limits.open_max_s,
    }


def default_figures(platform: Platform) -> dict[str, int | None]:
    """What would hold if nothing were set."""
    return figures(Platform(slug=platform.slug))


def checked(platform: Platform, config: Any) -> dict[str, int]:
    """All that is set for a platform, as it is stored; a null is a setting that is not set.

    Raises SettingRefusedError for what is unknown, out of bounds, or does not go together.
    """
    if not isinstance(config, dict):
        raise SettingRefusedError(f"An object of these settings, or an empty one: {', '.join(SETTINGS)}.")
    given = {name: value for name, value in config.items() if value is not None}
    for name, value in given.items():
        if name not in SETTINGS:
            raise SettingRefusedError(f"There is no such setting; there are {', '.join(SETTINGS)}.", field=name)
        if type(value) is not int or not SETTINGS[name].least <= value <= SETTINGS[name].most:
            raise SettingRefusedError(SETTINGS[name].bounds, field=name)
    limits = Platform(slug=platform.slug, config=given).breaker_limits
    if limits.open_max_s < limits.open_s:
        reason = f"Not below breaker_open_s: {limits.open_max_s} is shorter than {limits.open_s}."
        raise SettingRefusedError(reason, field="breaker_open_max_s")
    return given


@transaction.atomic
def configure(
    *,
    platform: Platform,
    by: User,
    changes: Mapping[str, int | None],
    credentials: Mapping[str, str | None] | None = None,
) -> Platform:
    """Set what is given; what is not given stays, and null is the default again. Returns the platform as it is then.

    Raises SettingRefusedError, and changes nothing then.
    """
    current: Platform = Platform.objects.select_for_update(no_key=True).get(pk=platform.pk)
    before, after = current.config, checked(platform, {**current.config, **changes})
    if after != before:
        current.config = after
        current.save(update_fields=["config"])
        changed = {name: [before.get(name), after.get(name)] for name in SETTINGS}
        moved = {name: values for name, values in changed.items() if values[0] != values[1]}
        audit(actor=by, action="platform.configured", row=current, changes=moved)
    if credentials:
        set_credentials(platform=current, by=by, secrets=credentials)
    return current


# --- The application's own credentials


def credential_names(platform: Platform) -> list[str]:
    """What the application needs to call as itself."""
    return list(site.PLATFORMS[platform.slug]["credentials"])


def credential_sources(platform: Platform) -> dict[str, dict[str, Any]]:
    """Of each credential, whether it is `set` and its `source`: "stored" goes before "environment", null is neither.

    One that is stored and can't be opened, since its key was lost, is not set.
    """
    secrets, opened = _opened(_own(platform))
    environment = site.PLATFORMS[platform.slug]["credentials"]
    found = {}
    for name in credential_names(platform):
        source = "stored" if name in secrets or not opened else "environment" if environment[name] else None
        found[name] = {"set": opened and source is not None, "source": source}
    return found


@transaction.atomic
def set_credentials(*, platform: Platform, by: User, secrets: Mapping[str, str | None]) -> Connection:
    """Store credentials that the application itself calls with, encrypted; they go before those of the environment.

    What is not given stays, and null removes one. A lane that was parked works again. The record has their names only.
    Raises SettingRefusedError.
    """
    for name, secret in secrets.items():
        _check_credential(platform, name, secret)
    connection = _own(platform, lock=True)
    kept, _ = _opened(connection)  # what can't be opened is lost, and there is no way back but to replace it
    merged = {name: secret for name, secret in {**kept, **secrets}.items() if secret is not None}
    connection.locked = vault.lock(merged) if merged else ""
    connection.save(update_fields=["locked"])
    names = {
        "set": sorted(name for name, secret in secrets.items() if secret is not None),
        "removed": sorted(name for name, secret in secrets.items() if secret is None),
    }
    audit(actor=by, action="connection.credentials_set", row=connection, changes=names)
    resume_connection(connection_id=connection.pk, by=by)
    return connection


def _check_credential(platform: Platform, name: str, secret: str | None) -> None:
    names = credential_names(platform)
    if name not in names:
        known = f"there are {', '.join(names)}" if names else "it has none"
        raise SettingRefusedError(f"The application has no such credential; {known}.", field=f"credentials.{name}")
    if secret is not None and not (is_token(secret) and len(secret) <= MAX_CREDENTIAL_CHARS):
        reason = f"1 to {MAX_CREDENTIAL_CHARS:,} visible ASCII characters."
        raise SettingRefusedError(reason, field=f"credentials.{name}")


def _own(platform: Platform, *, lock: bool = False) -> Connection:
    """The application's live connection: test mode speaks to the sandbox, which takes anything."""
    connections = Connection.objects.own()
    if lock:
        connections = connections.select_for_update(of=("self",), no_key=True)
    found: Connection = connections.get(platform=platform, livemode=True)
    return found


def _opened(connection: Connection) -> tuple[Mapping[str, str], bool]:
    """What it holds, and whether that could be opened."""
    try:
        return connection.secrets, True
    except VaultError:
        return {}, False
