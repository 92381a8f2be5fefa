"""``wsgate recording``: what to do with recorded sessions."""
