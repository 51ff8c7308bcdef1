"""What is too old is deleted, and nothing else."""
