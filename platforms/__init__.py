"""How we speak to each platform, and as whom.

To add a platform:

1. `links.py`: its hosts and one reader in `_READERS`. What a link names is decided without the network.
2. `metrics.py`: its name, its lag, and what its figures mean, each with the date from which that holds.
3. `adapters/<slug>.py`: one subclass of `Adapter` that says how many ids one call takes and what its answers and
   refusals mean. Copy the smallest neighbour. Everything a platform sends is hostile until it was read strictly.
4. `adapters/__init__.py`: the class goes into `ADAPTER_CLASSES`; its platform row and connections follow by themselves.
5. `config/settings.py`: its host and credentials in `PLATFORMS`, with their variables in `.env.example`.
6. `sandbox/`: the same paths, shapes and errors, awkward ones above all, so that demo and tests can speak to it.
7. `tests/platforms/`: its link table, one table of answers and one of refusals.
"""
