"""One session of a hub, from the first record to the last.

Everything runs in one TaskGroup. It is taken down in an order that leaves every strike at rest and
the last record durable.

A process has one session after another when its hub changes hands and comes back. A session begins
with what another one has left, and leaves what the next may begin with.

Laws:
1. What is given is taken up, or closed: no descriptor is forgotten.
2. A session that begins with something first takes up the radio, for phones wait for that; its
   first record is in line before any other. Then it takes up the guard, then all else begins.
3. A session that is handed on ends nothing that it hands on.
"""
