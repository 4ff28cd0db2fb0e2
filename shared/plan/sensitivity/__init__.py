"""How an answer moves with what it rests on."""
