"""Events: what happened, stated once, read by everybody who follows."""
