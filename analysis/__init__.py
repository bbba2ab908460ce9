"""Turns raw answers into opinion scores, consensus regions, rankings and a report."""
