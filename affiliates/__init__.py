"""Who comes in, and who promotes: people, their keys, what they did, and the affiliates among them."""
