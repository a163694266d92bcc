"""What a person calls from Python, and the command line behind it: run, load, tables, pictures, documents."""
