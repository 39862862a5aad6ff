"""What `make` runs on this repository; no part of the product."""
