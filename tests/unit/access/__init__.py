"""Tests of the decisions about who may come in."""
