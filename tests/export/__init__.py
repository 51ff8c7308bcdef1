"""Data sets: what is in the database in, files and a manifest out."""
