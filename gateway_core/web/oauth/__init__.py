"""The pages and endpoints that let people and OAuth clients in: sign-in, consent, tokens, one's own access."""
