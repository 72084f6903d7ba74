"""What the gateway asks of AWS, through a signed JSON client of its own. Holds no decision of the gateway."""
