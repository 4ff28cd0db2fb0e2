"""Curves of other tools: read from their exports, mapped exactly to the families here."""
