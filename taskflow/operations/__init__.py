"""What the operations of the contract do, each a function of its name."""
