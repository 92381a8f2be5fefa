"""What a route does with a request: one file for each kind of route."""
