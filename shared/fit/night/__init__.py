"""The night: refits that are queued, held, resumed and recorded."""
