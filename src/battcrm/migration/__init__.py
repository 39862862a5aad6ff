"""Moving over from an n8n installation, layer by layer."""
