"""BattCRM core."""
