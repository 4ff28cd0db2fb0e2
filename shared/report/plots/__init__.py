"""One module a picture: what it shows, the same figures as tables, and how it is drawn."""
