"""What the settings name, made live."""
