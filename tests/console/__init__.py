"""The console: pages in, clicks and forms out."""
