"""Pictures and outputs of hubctl in the documents: taken from a simulated site that really runs."""
