"""Pictures and pages that show how a run went."""
