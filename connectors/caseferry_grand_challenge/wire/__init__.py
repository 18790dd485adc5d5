"""Translation between cases and Grand Challenge's archive items. Pure: nothing here asks the platform."""
