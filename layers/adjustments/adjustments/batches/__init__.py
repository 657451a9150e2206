"""What a batch is: records, states, chunks, outcomes, the next step; table and bucket through ports only."""
