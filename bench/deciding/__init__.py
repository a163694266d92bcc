"""What an experiment decides: its claims, looks at its trainings, when they end."""
