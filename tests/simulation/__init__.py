"""Runs the real services against in-memory ports and a model of Gameball, with a simulated clock and faults.

Everything that happens in a run follows from its seed: ``make simulate SEED=123`` shows the run again.

What checks the services, and what plays Gameball and its clients, must not repeat the services' mistakes. It
may import the domain's types, errors and numbers, and nothing that decides: it works out for itself what each
row should become, from the file and from what Gameball applied. What runs the services, or plants bugs in
them, may import everything. ``test_imports.py`` lists both and holds this.
"""
