"""Who is writing and about what: clients and appeals, decided by pure rules."""
