"""What the functions do: gather what is known, ask the pure core, carry its decision out through ports."""

import logging

# Whoever calls decides where our lines go; on their own they go nowhere.
logging.getLogger("adjustments").addHandler(logging.NullHandler())
