"""Methods that callers ask for by name; each gets the ordinary certificate."""
