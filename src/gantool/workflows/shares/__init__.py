"""One command as several processes: which share is whose, what each hands in, and who puts it together."""
