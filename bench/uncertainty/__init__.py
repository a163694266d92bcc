"""How numbers vary, and what may be said of many of them at once: arrays alone."""
