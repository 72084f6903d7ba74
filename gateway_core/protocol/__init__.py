"""The MCP wire, both eras. Pure: takes bytes and values, returns bytes and values."""
