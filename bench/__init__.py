"""The benchmark: wsgate against nginx, HAProxy and websockify, same work, one run, in alternation."""
