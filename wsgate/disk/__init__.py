"""Files and directories whose disk may hang, or that others may change meanwhile."""
