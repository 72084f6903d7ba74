"""The two documents by which clients find their way in: RFC 8414 and RFC 9728. Pure.

They say the same of every well-formed URL, whether there is such a server or not: who has not signed in learns nothing.
"""

from typing import Any

from gateway_core.issuer.client import AUTH_METHODS, GRANT_TYPES
from gateway_core.issuer.resources import Resource, read_resource
from gateway_core.registry.client_policy import ClientPolicy

MCP_SCOPE = "mcp"
ADMIN_SCOPE = "admin"


def scope_of(resource: Resource | None) -> str:
    """The one scope that there is for a resource."""
    return ADMIN_SCOPE if resource is not None and resource.kind == "admin" else MCP_SCOPE


def server_metadata(public_url: str, policy: ClientPolicy) -> dict[str, Any]:
    """The authorization server's metadata (RFC 8414, section 2); ways in that `policy` shuts for everybody are not
    offered.

    `offline_access` is not among the scopes: Claude Code would then ask for consent each time.
    """
    return {
        "issuer": public_url,
        "authorization_endpoint": f"{public_url}/authorize",
        "token_endpoint": f"{public_url}/token",
        **({"registration_endpoint": f"{public_url}/register"} if policy.dynamic_registration else {}),
        "revocation_endpoint": f"{public_url}/revoke",
        "introspection_endpoint": f"{public_url}/introspect",
        "scopes_supported": [MCP_SCOPE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": sorted(GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "revocation_endpoint_auth_methods_supported": list(AUTH_METHODS),
        "introspection_endpoint_auth_methods_supported": [method for method in AUTH_METHODS if method != "none"],
        "authorization_response_iss_parameter_supported": True,
        "client_id_metadata_document_supported": policy.metadata_documents != "none",
    }


def resource_metadata(path: str, public_url: str) -> dict[str, Any] | None:
    """A protected resource's metadata (RFC 9728, section 2), or None where there can be no such resource.

    Args:
        path: What follows `/.well-known/oauth-protected-resource`, e.g. `/research/linear/mcp`.
        public_url: The gateway's own, which is the issuer.
    """
    resource = read_resource(public_url + path, public_url)
    if resource is None:
        return None
    return {
        "resource": resource.url,
        "authorization_servers": [public_url],
        "scopes_supported": [scope_of(resource)],
        "bearer_methods_supported": ["header"],
        "resource_name": " · ".join(reversed(resource.names)) or "Gatehouse administration",
    }
