"""Where tokens lead: ``lookups`` asks, under a deadline; each other module is one kind of ``source``, or helps them."""
