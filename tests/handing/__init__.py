"""Real processes of hubd that hand a hub over, with a made-up bluetoothd on a bus of their own."""
