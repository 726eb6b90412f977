"""The reference backend: hubs in, evidence kept, orders and policy out."""
