"""The main job told as a story on the sandbox: each scenario ends in proofs, not in claims."""
