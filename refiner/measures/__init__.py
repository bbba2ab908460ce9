"""What `refiner.benchmark` measures, agent by agent, and with which certainty."""
