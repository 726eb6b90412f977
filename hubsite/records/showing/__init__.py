"""What pages ask of the records: rows found, their proof, alarms, doors."""
