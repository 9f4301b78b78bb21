"""A small server that speaks the platforms' real wire protocols for a seeded world of posts.

`world` says what exists and how its figures grow; `wire_<platform>` says it in that platform's words; `state` holds the
clock, the faults and the counters; `control` is how people and tests move them; `server` is the socket.

A further platform is: its row in `identifiers.SHAPES`, `world.TRAITS` and `words.HANDLE_STYLES`, its URL in
`world.post_url`, and one `wire_<platform>` module named in `server.ENDPOINTS`.
"""
