"""A small HTTP/1.1 client, bounded in time, size and number; knows nothing of who is asked and what for."""
