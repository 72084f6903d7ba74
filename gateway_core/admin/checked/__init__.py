"""What one actor asks of the administration: every method asks first whether they may, then lets it be done.

API, command line and console come in here; code that acts for the deployment itself uses `Administration`.
"""
