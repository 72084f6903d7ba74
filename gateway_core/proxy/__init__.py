"""The data plane: the life of a request from the edge to an upstream and back."""
