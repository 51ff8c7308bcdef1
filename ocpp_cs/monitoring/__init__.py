"""What a machine asks a process: is it ready, and what are its figures?

Nothing here decides anything about charge points, and no answer waits for a database that hangs.
"""
