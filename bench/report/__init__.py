"""The report, from stored results alone."""
