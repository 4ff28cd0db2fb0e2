"""From a history to the arrays that models are fitted to."""
