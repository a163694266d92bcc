"""Pictures of an experiment, as the report draws them."""
