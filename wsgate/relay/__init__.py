"""The data plane: the pump, the two legs of a session, its two directions, how it closes."""
