"""Starts the publisher's program."""

from hubupdate.publish.main import main

main()
