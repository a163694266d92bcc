"""What is on disk: whole or not there, checked when read."""
