"""What strategies draw, for other trainers; what was found, for other scorers."""
