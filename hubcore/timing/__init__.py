"""Moments, paces and budgets: arithmetic of time that reads no clock."""
