"""What is decided about batches: chunks, jobs, outcomes, evidence and the next step. Pure; no I/O."""
