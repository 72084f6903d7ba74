"""`python -m gateway_core.cli`: the command line without its script."""

from gateway_core.cli import main

main()
