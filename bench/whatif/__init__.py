"""What would be heard if a stage took another time: a run's turns, figured again on paper."""
