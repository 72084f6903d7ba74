"""Getting an account at an upstream server linked: here the gateway is the OAuth client."""
