"""The admin listener: metrics and health, for operators and their programs."""
