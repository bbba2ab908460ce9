"""Runs annotation campaigns in Label Studio."""
