"""Commands that go on until they are ended."""
