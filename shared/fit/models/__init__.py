"""The kinds of model that a spec can ask for, one class each."""
