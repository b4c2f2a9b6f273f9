"""Where it is delivered to: the port to a bucket, and Cloud Storage, S3 and folders behind it."""
