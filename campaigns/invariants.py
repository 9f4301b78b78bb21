"""What always holds of campaigns, posts, and the sales that shops report."""

from config.invariants import Invariant

INVARIANTS = (
    Invariant(
        "A campaign is in its advertiser's mode",
        """
        SELECT campaign.id FROM campaigns_campaign campaign
        JOIN campaigns_advertiser advertiser ON advertiser.id = campaign.advertiser_id
        WHERE campaign.livemode <> advertiser.livemode
        """,
    ),
    Invariant(
        "Who has a post in a campaign is enrolled there",
        """
        SELECT post.id FROM campaigns_post post
        LEFT JOIN campaigns_enrolment enrolment
            ON enrolment.campaign_id = post.campaign_id AND enrolment.affiliate_id = post.affiliate_id
        WHERE enrolment.id IS NULL
        """,
    ),
    Invariant(
        "A post is merged into another one of the same affiliate, campaign and platform",
        """
        SELECT post.id FROM campaigns_post post JOIN campaigns_post stands ON stands.id = post.merged_into_id
        WHERE (stands.campaign_id, stands.affiliate_id, stands.platform_id)
            <> (post.campaign_id, post.affiliate_id, post.platform_id) OR stands.id = post.id
        """,
    ),
    Invariant(
        "A post that gave way has an event that says so",
        """
        SELECT post.id FROM campaigns_post post
        CROSS JOIN LATERAL (
            VALUES (ARRAY['post.displaced', 'post.given_up'], post.displaced_at IS NOT NULL),
                (ARRAY['post.merged'], post.merged_into_id IS NOT NULL)
        ) AS change (actions, has_happened)
        WHERE (post.displaced_at IS NOT NULL OR post.merged_into_id IS NOT NULL) AND has_happened AND NOT EXISTS (
            SELECT FROM affiliates_auditevent event
            WHERE event.object_id = post.id AND event.action = ANY(change.actions)
        )
        """,
    ),
    Invariant(
        "A post's tracking link is its affiliate's, for its campaign and platform",
        """
        SELECT post.id FROM campaigns_post post JOIN campaigns_trackinglink link ON link.id = post.tracking_link_id
        WHERE (link.campaign_id, link.affiliate_id, link.platform_id)
            <> (post.campaign_id, post.affiliate_id, post.platform_id)
        """,
    ),
    Invariant(
        "A sale stands as the last of its events says, and none of them is missing",
        """
        SELECT conversion.id FROM campaigns_conversion conversion
        LEFT JOIN (
            SELECT conversion_id, count(*) AS events, max(sequence) AS last,
                (array_agg(status ORDER BY sequence DESC))[1] AS status
            FROM campaigns_conversionevent GROUP BY conversion_id
        ) told ON told.conversion_id = conversion.id
        WHERE (told.status, told.events) IS DISTINCT FROM (conversion.status::varchar, told.last::bigint)
        """,
    ),
    Invariant(
        "A sale's click is one on its link, and both are of its campaign",
        """
        SELECT conversion.id FROM campaigns_conversion conversion
        JOIN campaigns_trackinglink link ON link.id = conversion.link_id
        LEFT JOIN campaigns_click click ON click.id = conversion.click_id
        WHERE link.campaign_id <> conversion.campaign_id OR click.link_id IS DISTINCT FROM link.id
        """,
    ),
)
