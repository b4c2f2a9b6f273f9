"""HTTP/1.1 for many small requests: one at a time on threads, or many at once on connections that never wait."""
