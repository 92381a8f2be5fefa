"""Peers that mean harm: heads, frames and backends that no library would send, floods, and what they cost."""
