"""How many requests a caller may make: sliding windows, in memory or shared among replicas."""
