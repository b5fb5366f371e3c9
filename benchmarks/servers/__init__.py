"""What `benchmarks.serving` measures with: other servers, what is asked of all of them, and who asks."""
