"""To try, test and measure: emulators, demo, bench, faults. Never loaded by `battcrm run`."""
