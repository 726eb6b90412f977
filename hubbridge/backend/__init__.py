"""The way from the bridge to its backend: records up, receipts and papers down."""
