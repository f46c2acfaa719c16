"""What users said in earlier conversations: kept, found again, and put into the agent's context."""
