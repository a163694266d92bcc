"""What ranks: encoders, lexical baselines, and what is made of them."""
