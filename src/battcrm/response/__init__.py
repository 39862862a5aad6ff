"""What to answer: the decision, its words, and the checks on both."""
