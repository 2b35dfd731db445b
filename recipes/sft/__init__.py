"""The recipe that teaches a vision-language model the answers of an instruction set."""
