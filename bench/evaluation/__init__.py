"""From vectors to ranks, from ranks to measures."""
