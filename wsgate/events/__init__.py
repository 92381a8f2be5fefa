"""What the log is told."""
