"""Balance adjustments for Gameball: what is decided, and what is done about it.

Imports point one way: services -> (pure core | adapters). The pure core (``model``, ``limits``, ``errors``,
``ids``, ``triggers``, ``chunking``, ``states``, ``outcomes``, ``answers``) does no I/O; a test asserts it.
"""
