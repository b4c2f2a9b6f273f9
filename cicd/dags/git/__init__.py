"""What is delivered: the tree of a commit, from Git's objects and from a checkout that has the same content."""
