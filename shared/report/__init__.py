"""Reports for people: pictures of a curve set and its plan, and one page that holds them all."""
