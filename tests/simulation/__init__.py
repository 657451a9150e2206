"""The real services against ports in memory, a model of Gameball, a fake clock and every kind of bad luck.

Everything that happens in a run follows from its seed: ``make simulate SEED=123`` shows it again.
"""
