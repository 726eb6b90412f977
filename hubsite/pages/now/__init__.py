"""The pages of this moment: what needs somebody, doors, alarms."""
