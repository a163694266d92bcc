"""Pictures of results: what each shows as plain values, and how it is drawn, as SVG."""
