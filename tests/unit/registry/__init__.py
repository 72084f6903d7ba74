"""Tests of what the registry holds, and what it keeps from going on."""
