"""The unit gate: the repository's own tests, run in a subprocess and judged by their JUnit report."""
