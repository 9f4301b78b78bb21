"""A function of the database: everything that following a link asks it, in one statement.

There its plans are kept between visits; planning the same statements anew each time would cost more than running them.
"""

FOLLOW = """
CREATE FUNCTION campaigns_follow(
    wanted text, fresh uuid, who bytea, whence bytea, moment_us bigint, reason text, crowd int,
    OUT click uuid, OUT landing_url text, OUT destination text
) LANGUAGE plpgsql AS $$
DECLARE
    link record;
    moment timestamptz := to_timestamp(moment_us / 1000000) + (moment_us % 1000000) * interval '1 microsecond';
    period bigint;
    period_salt bytea;
    visitor_hash bytea;
    network_hash bytea;
    verdict text;
BEGIN
    SELECT row.id, row.destination, row.disabled_at, campaign.landing_url, campaign.click_window_min * 60 AS window_s,
           campaign.click_window_min
    INTO link
    FROM campaigns_trackinglink row JOIN campaigns_campaign campaign ON campaign.id = row.campaign_id
    WHERE row.code = wanted;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    landing_url := CASE WHEN link.disabled_at IS NULL THEN link.landing_url ELSE '' END;
    destination := link.destination;
    IF landing_url = '' THEN
        RETURN;
    END IF;

    period := moment_us / 1000000 / link.window_s;
    LOOP
        SELECT salt INTO period_salt FROM campaigns_clicksalt
        WHERE window_min = link.click_window_min AND "window" = period;
        EXIT WHEN FOUND;
        INSERT INTO campaigns_clicksalt (window_min, "window", salt, ends_at)
        VALUES (
            link.click_window_min, period, uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()),
            to_timestamp((period + 1) * link.window_s)
        )
        ON CONFLICT (window_min, "window") DO NOTHING;
    END LOOP;
    visitor_hash := sha256(period_salt || uuid_send(link.id) || 'visitor' || who);
    network_hash := substr(sha256(period_salt || uuid_send(link.id) || 'network' || whence), 1, 16);

    LOOP
        verdict := reason;
        click := NULL;
        IF verdict = '' THEN
            SELECT id INTO click FROM campaigns_click WHERE visitor = visitor_hash AND invalid_reason = '';
            IF click IS NOT NULL THEN
                verdict := 'repeat';
            ELSIF (
                SELECT count(*) FROM (
                    SELECT FROM campaigns_click
                    WHERE network = network_hash AND at > moment - interval '1 minute' AND invalid_reason = ''
                    LIMIT crowd
                ) others
            ) >= crowd THEN
                verdict := 'flood';
            END IF;
        END IF;
        INSERT INTO campaigns_click (id, link_id, visitor, network, "window", at, invalid_reason)
        VALUES (fresh, link.id, visitor_hash, network_hash, period, moment, verdict)
        ON CONFLICT (visitor, link_id, "window") WHERE invalid_reason = '' DO NOTHING;
        IF FOUND THEN
            click := COALESCE(click, fresh);
            RETURN;
        END IF;
    END LOOP;
END $$;
"""
"""Finds a link by its code and writes a visit down, whatever becomes of it.

`who` and `whence` are a visitor and their network, as digests that only this installation can make; what is stored is
hashed once more, with the window's own salt. `click` is the visit's id; of a repeat, the id of the click that counts.
Everything is null for a code that is no link's; `landing_url` is empty for one that leads nowhere.

A visitor's hash is another on every link and in every window, so it alone says whether this one was counted already. Of
several first visits at the same instant the unique index lets one in; the others go round again and find it.
"""
