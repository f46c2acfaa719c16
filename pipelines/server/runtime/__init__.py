"""What goes on beside a conversation: the policy, the chain of agents, skills, fillers."""
