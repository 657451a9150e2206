"""Administration: what people do with batches, and the sweeper, which resumes what has stalled."""
