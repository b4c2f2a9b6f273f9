"""Testing every connection: `checks` runs them side by side, `local` and `servers` are the checks, `plan` picks them."""
