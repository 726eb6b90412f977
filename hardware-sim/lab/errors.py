"""What the lab raises."""


class LabError(Exception):
    """The lab itself does not work, or the guest did not do what was asked."""
