"""What the user asks for, as plain values and objects."""
