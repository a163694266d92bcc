"""A document of blocks, as Markdown and as an HTML page."""
