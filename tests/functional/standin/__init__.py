"""The stand-in's own behaviour, over real sockets."""
