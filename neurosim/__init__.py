"""neurosim: spiking neural networks, trained in torch and run event by event from one definition."""

__version__ = "0.1.0"
