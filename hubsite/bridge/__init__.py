"""The bridge of this building: what it says of hubs, and which alarms are known by it alone."""
