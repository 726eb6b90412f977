"""The commands of hubctl, a file for each."""
