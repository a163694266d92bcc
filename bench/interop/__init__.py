"""What strategies draw, for other trainers."""
