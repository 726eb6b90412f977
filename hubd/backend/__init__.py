"""Use cases around the backend: records up, orders and policy down."""
