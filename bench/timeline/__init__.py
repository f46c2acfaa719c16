"""What happened in a trial, from its marks and its recording. Pure."""
