"""What the functions do: gather what is known, ask the pure core, carry its decision out through ports."""
