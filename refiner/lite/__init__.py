"""The backend for a laptop: frozen pretrained features, one small decoder, trained in minutes on two cores."""
