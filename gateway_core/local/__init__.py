"""One machine instead of AWS: a key file, sealed secrets in the database, a server, a demo upstream."""
