"""What is kept for a time only, and how it goes: in small steps, beside arriving messages."""
