"""The only writers of the registry. API, command line and configuration file all end here."""
