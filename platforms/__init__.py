"""How we speak to each platform, and as whom.

To add a platform, follow "Adding a platform" in docs/platforms.md, where LinkedIn is the example. In short:

1. `links/<slug>.py`: its hosts, each with its reader, in `READERS`; an entry in `_PLATFORMS` of `links/__init__.py`.
2. `metrics.py`: its name, its lag, and what its figures mean since when.
3. `budget.py`: how often it lets us call.
4. `adapters/<slug>.py`: one subclass of `Adapter`, in `ADAPTER_CLASSES` of `adapters/__init__.py`. Copy the smallest
   neighbour. Everything a platform sends is hostile until it was read strictly.
5. `oauth.py`, `pages.py`: a `Provider` and its words, where people connect their accounts.
6. `config/settings.py`: its hosts and credentials, with their variables in `.env.example` and docs/operations.md.
7. `sandbox/`: the same paths, shapes and errors, awkward ones above all, so that demo and tests can speak to it.
8. `tests/platforms/`: its links, its answers, its refusals, its sandbox.
9. `manage.py migrate` makes its row, its breakers and the application's connections.
"""
