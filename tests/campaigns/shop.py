"""A shop that reports its sales, as its own program would."""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from affiliates.signing import signature
from campaigns.models import Campaign
from config import clock


@dataclass(frozen=True, slots=True)
class Shop:
    """Signs with `secret` and posts to the campaign's address."""

    campaign: Campaign
    secret: str

    @property
    def path(self) -> str:
        return f"/postback/{self.campaign.postback_token}"

    def fields(self, **changes: Any) -> dict[str, Any]:
        """A whole postback; what is changed to None is left out."""
        given = {"transaction_id": "T-1", "amount": "49.90", "currency": "USD", "status": "pending"} | changes
        return {name: value for name, value in given.items() if value is not None}

    def send(self, **changes: Any) -> Any:
        """A postback in JSON."""
        return self.send_raw(json.dumps(self.fields(**changes)).encode())

    def send_raw(
        self, body: bytes, content_type: str = "application/json", *, age_s: int = 0, secret: str = "", query: str = ""
    ) -> Any:
        """Any body, signed."""
        timestamp = str(int(clock.now().timestamp()) - age_s)
        target = f"{self.path}?{query}" if query else self.path
        signed = signature(secret or self.secret, timestamp=timestamp, method="POST", target=target, body=body)
        headers = {"X-Claimcheck-Timestamp": timestamp, "X-Claimcheck-Signature": f"sha256={signed}"}
        return Client().generic("POST", target, body, content_type=content_type, headers=headers)

    def get(self, *, secret: str = "", **changes: Any) -> Any:
        """A postback by GET."""
        query = f"{urlencode(self.fields(**changes))}&ts={int(clock.now().timestamp())}"
        timestamp = query.rpartition("ts=")[2]
        signed = signature(secret or self.secret, timestamp=timestamp, method="GET", target=f"{self.path}?{query}")
        return Client().get(f"{self.path}?{query}&sig={signed}")
