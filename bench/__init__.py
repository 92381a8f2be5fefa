"""The benchmark: wsgate, nginx, HAProxy and websockify do the same work in one run, in alternation."""
