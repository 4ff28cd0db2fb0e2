"""Online allocators: the split of a budget over arms whose outcome is seen within days."""
