"""The pure half of the face: messages, states, visemes, the tap on an agent."""
