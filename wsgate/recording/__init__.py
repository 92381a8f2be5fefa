"""``wsgate recording``: commands for recordings of sessions."""
