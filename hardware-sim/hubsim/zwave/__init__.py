"""A Z-Wave network without radio: zwave-js's own mock behind the real zwave-js service."""
