"""The process: its listeners, its signals, its log."""
