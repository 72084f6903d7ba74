"""Speaking to one upstream server in its own dialect."""
