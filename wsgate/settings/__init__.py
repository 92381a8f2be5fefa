"""What the operator wrote: the model, the loader that fills it from YAML, its JSON Schema."""
