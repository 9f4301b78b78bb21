"""The table of affiliates as it is exported. Names of columns are stable: docs/api.md lists them."""

from config.tables.exporting import Export

AFFILIATES = Export(
    "affiliates",
    {
        "affiliate_id": "id",
        "name": "name",
        "email": "user__email",
        "discord_user_id": "discord_user_id",
        "is_active": "is_active",
        "created_at": "created_at",
    },
)
