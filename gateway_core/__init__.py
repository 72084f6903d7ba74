"""The gateway: everything between an MCP client and an upstream MCP server. Stateless between calls."""
