"""Files and directories whose disk may hang, or that other programs may change at the same time."""
