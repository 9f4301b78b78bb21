"""Discord's way in: its HTTP interactions, answered within the request.

`signature` says whether Discord sent it, `payload` reads what was sent, `words` writes what is answered, all without
the database; `commands` is what each command does, `answering` that each interaction does it once, `views` the
endpoint, `registration` what Discord is told of our commands. The verdict that follows an answer is
`reconciliation.services.telling`.
"""
