"""What hubctl still knows while hubd is down: from configuration, evidence, journal and systemd."""
