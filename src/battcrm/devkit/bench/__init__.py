"""The load test: open loop, Poisson, seeded, with accounting from the generator's and the emulators' own logs."""
