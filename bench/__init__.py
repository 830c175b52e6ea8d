"""Measurements that anyone can repeat: each prints its figures and what it ran on."""
