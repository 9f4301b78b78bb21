"""The demo: a believable world that went through the real pipeline, and the processes that serve it.

`cast` says who there is, `story` what they do (both pure), `seeding` lets it happen, `handout` writes down the ways in;
`processes` starts and ends the programs, `live` makes one claim while one looks on, and `report` shows what came of it.
"""
