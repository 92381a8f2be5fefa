"""The page that the admin listener serves."""
