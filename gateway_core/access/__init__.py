"""Whether: who calls, and what they may reach. Decisions are pure; what was granted is read from the store."""
