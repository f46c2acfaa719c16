"""Skills: functions that agents may call, checked by their schemas, and answered in time."""
