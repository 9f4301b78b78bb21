"""A file of affiliates: one row each, known by their e-mail."""

from collections.abc import Hashable, Sequence

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet

from affiliates.errors import AlreadyTakenError
from affiliates.models import Affiliate, User, normalise_email
from affiliates.services import create_affiliate
from config.errors import DomainError
from reconciliation.imports.cells import CellError, text
from reconciliation.imports.kinds import Outcome, Result, Values, tried


class Affiliates:
    """Affiliates without password and key: those are made for each in the admin."""

    columns = ("name", "email", "discord_user_id")
    required = ("name", "email")
    chunk_rows = 50

    def visible_to(self, by: User) -> "QuerySet[Affiliate]":
        return Affiliate.objects.all() if by.is_staff else Affiliate.objects.none()

    def keys(self, rows: Sequence[Values], *, by: User) -> Sequence[Hashable]:
        """A person."""
        return [normalise_email(values["email"]) or None for values in rows]

    def preview(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        return tried(self, rows, by=by)

    def write(self, rows: Sequence[Values], *, by: User) -> list[Result]:
        emails = {normalise_email(values["email"]) for values in rows}
        known = {
            affiliate.user.email: affiliate
            for affiliate in Affiliate.objects.filter(user__email__in=emails).select_related("user")
        }
        results = []
        for values in rows:
            try:
                with transaction.atomic():
                    results.append(_write(dict(values), known, by))
            except DomainError as refusal:
                results.append(Result.of(refusal))
        return results


def _write(values: dict[str, str], known: dict[str, Affiliate], by: User) -> Result:
    name, email = text(values, "name", most=120), normalise_email(text(values, "email", most=254))
    discord_user_id = values.get("discord_user_id", "")
    if not name:
        raise CellError("A name is needed.", field="name")
    try:
        validate_email(email)
    except ValidationError:
        raise CellError("This is no e-mail address.", field="email") from None
    if discord_user_id and not (discord_user_id.isascii() and discord_user_id.isdigit() and len(discord_user_id) <= 20):
        raise CellError("Discord's id of a user, in digits.", field="discord_user_id")
    affiliate = known.get(email)
    if affiliate is None:
        made = create_affiliate(name=name, email=email, by=by, discord_user_id=discord_user_id or None)
        return Result(Outcome.CREATED, made.pk)
    for column, value, now in (
        ("name", name, affiliate.name),
        ("discord_user_id", discord_user_id or affiliate.discord_user_id, affiliate.discord_user_id),
    ):
        if value != now:
            raise AlreadyTakenError(f"This e-mail is there already, with another {column}.", field=column)
    return Result(Outcome.UNCHANGED, affiliate.pk)
