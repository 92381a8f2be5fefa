"""One grammar for each text that the configuration has and that is met again at runtime."""
