"""The lab: hubd on a real kernel, systemd, BlueZ and GPIO in a user-mode Linux guest; phones on
software radios.
"""
