"""What people do with batches, and the sweeper that resumes what stalled."""
