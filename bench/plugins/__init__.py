"""What the code of a user's class is: files, what they reach, what was typed in."""
