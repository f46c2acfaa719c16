"""Commands about turn-taking alone, without an agent."""
