"""The lab: hubd on a real kernel, systemd, BlueZ and GPIO in a guest; phones on software radios."""
