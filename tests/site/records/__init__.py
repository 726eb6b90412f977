"""Records, alarms and doors of this moment, by the engine and by the bridge."""
