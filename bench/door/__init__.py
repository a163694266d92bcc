"""What the command line does: commands, exports, trainings until claims are settled, the demo base made anew."""
