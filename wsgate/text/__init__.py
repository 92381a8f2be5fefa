"""One grammar for each kind of text that both the configuration and requests or files at runtime have."""
