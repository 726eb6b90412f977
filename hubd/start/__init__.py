"""What runs before and after the daemon: the check of its configuration, and the strikes
secured.
"""
