"""Events for the log."""
