"""What is decided about one manual transaction: its body, its refusals, what repeating it means. No I/O."""
