"""The agent under test in its own process: transport, observer, warm pool. Only room of bench
that imports Pipecat.
"""
