"""Relay boards on a serial line: lights, shutters' contactors, and strikes where a board can."""
