"""Signing people in: at an OpenID Connect provider, or by password on one machine. Says who, never what they may."""
