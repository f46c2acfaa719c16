"""The runs of a folder in a browser: their list, a run's page, a run that goes on"""
