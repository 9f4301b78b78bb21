"""Many at once under one key: one of them is done, and the others are told so."""

from functools import partial

import pytest

from affiliates.models import IdempotencyKey
from campaigns.models import Post
from reconciliation.models import AffiliateReport, Job
from tests.factories import AffiliateFactory, CampaignFactory
from tests.reconciliation.test_races import together

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("today")]

THREADS = 50


@pytest.mark.parametrize("keys", [10, pytest.param(200, marks=pytest.mark.long)])
def test_fifty_with_one_key_half_of_them_with_another_body_make_one_claim(client_of, settings, keys):
    settings.REST_FRAMEWORK = {**settings.REST_FRAMEWORK, "DEFAULT_THROTTLE_CLASSES": []}
    campaign, affiliate = CampaignFactory(), AffiliateFactory()
    apis = [client_of(affiliate.user) for _ in range(THREADS)]

    def send(api, number, views):
        body = {"campaign": str(campaign.pk), "platform": "youtube", "claimed_views": views}
        body["url"] = f"https://www.youtube.com/watch?v={number:011d}"
        return api.post("/api/v1/submissions/", body, headers={"Idempotency-Key": f"key-{number}"})

    for number in range(keys):
        views = [5, 6] * (THREADS // 2)
        answers = together(*(partial(send, api, number, each) for api, each in zip(apis, views, strict=True)))
        done = [answer for answer in answers if answer.status_code == 202 and "Idempotent-Replayed" not in answer]
        assert len(done) == 1
        for answer, sent in zip(answers, views, strict=True):
            if answer.status_code == 202:
                assert answer.content == done[0].content
                assert answer.json()["claim"]["claimed_views"] == sent
            elif answer.status_code == 422:
                assert answer.json()["code"] == "idempotency_key_reused"
                assert sent != done[0].json()["claim"]["claimed_views"]
            else:
                assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_key_in_use")
                assert int(answer["Retry-After"]) >= 1
    for model in (AffiliateReport, Post, Job, IdempotencyKey):
        assert model.objects.count() == keys
