"""The commands of hubctl: `hubctl.table` has a row for each."""
