"""A body that does not say how long it is must not be read as an empty one."""

import pytest

from tests.factories import AffiliateFactory


@pytest.mark.django_db
def test_a_body_in_chunks_is_refused_and_nothing_is_lost_in_silence(client_of):
    client = client_of(AffiliateFactory().user)
    answer = client.patch("/api/v1/affiliates/me", {"name": "New"}, HTTP_TRANSFER_ENCODING="chunked")
    assert (answer.status_code, answer.json()["code"]) == (411, "length_required")
