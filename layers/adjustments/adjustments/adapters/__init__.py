"""The edge: AWS, Gameball, and time. Each adapter fits one port of ``ports.py``."""
