"""Commands that one line configures: the line stands for a configuration, which is shown or served."""
