"""What stored scores say: means, tests, leaderboard, comparisons."""
