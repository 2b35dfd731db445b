"""What keeps facedata, or the FiftyOne that it curates with, from working on this machine, and the mend."""
