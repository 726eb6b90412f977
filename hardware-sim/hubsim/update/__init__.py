"""A machine whose hubd is updated, with power cuts: real scripts, real processes, a tiny hubd."""
