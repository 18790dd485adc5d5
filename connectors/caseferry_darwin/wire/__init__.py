"""Translation between cases and Darwin's items, slots and annotations. Pure: nothing here asks the platform."""
