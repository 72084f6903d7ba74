"""What we know: the organisation, its workspaces and its servers. Frozen values, and reading them from the store."""
