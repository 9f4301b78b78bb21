"""A small server that speaks the platforms' real wire protocols for a seeded world of posts.

`world` says what exists and how its figures grow; `wire_<platform>` says it in that platform's words, `graph` and
`wire_graph` what Meta's two share; `oauth…` is the side on which people allow an application to read their posts;
`short_links` is where links lead, `wire_discord` and `control_discord` the two sides of Discord; `state` holds the
clock, the faults and the counters, `notes` what was written into the world since; `control` is how people and tests
move them; `server` is the socket.

A further platform is: its row in `identifiers.SHAPES`, `traits.TRAITS` and `words.HANDLE_STYLES`, its ids and URLs in
`addresses`, one `wire_<platform>` module named in `routes.ROUTES`; and where it has them, its tokens in `oauth_tokens`
with its name in `oauth_page.NAMES`, and its short links in `short_links`.
"""
