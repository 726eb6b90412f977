"""What hubd and its OSDP panel agree on: the packets between the two processes.

Laws:
1. A packet is one order or one report, checked on both ends. What is neither decodes to None.
2. Everything has a ceiling: readers, keys, names, cards and sentences.
3. A lost report of states is made good by the next: each has the states of all readers, and one
   comes every BEAT_SECONDS.
4. A key is in no repr. The public default key (SCBK-D) is no key.
5. Nothing here imports asyncio or libosdp.
"""
