"""What the shop's past says about this client, this device and this repair: history, similar, price, cross-sell."""
