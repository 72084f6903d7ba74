"""The authorization server below the web: clients, requests, codes, grants and tokens (OAuth 2.1, RFC 6749 and around).

Knows no pages, no cookies and no HTTP framework: `issuer.py` is the one door, for `web`.
"""
