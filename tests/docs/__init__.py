"""The documentation is tested: its commands run, its tables are the code's, its links lead on."""
