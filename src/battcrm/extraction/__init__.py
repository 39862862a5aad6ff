"""Understanding of client texts: normalisation, the device gazetteer, rules, and the model call for what stays open."""
