"""Phase 1: take extraction tasks from the list n8n pushes to, and write what was read where n8n looks for it."""
