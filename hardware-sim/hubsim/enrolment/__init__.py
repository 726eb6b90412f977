"""The backend's side of an enrolment: its book of tokens, its desk, its port.

`book` keeps what was promised and to whom, `desk` answers, `port` has the sockets, `control` is for
operators, `place` joins them to a backend.
"""
